#include "net/http/routes.hpp"

#include <optional>

namespace troupe {
namespace {

constexpr const char* kGet = "GET, HEAD, OPTIONS";
constexpr const char* kPost = "POST, OPTIONS";

constexpr Route kRoutes[] = {
    {"/v1/completions", HttpRoute::kCompletions, kPost, false},
    {"/v1/chat/completions", HttpRoute::kChatCompletions, kPost, false},
    {"/v1/embeddings", HttpRoute::kEmbeddings, kPost, false},
    {"/v1/models", HttpRoute::kModels, kGet, false},
    {"/tokenize", HttpRoute::kTokenize, kPost, false},
    {"/detokenize", HttpRoute::kDetokenize, kPost, false},
    {"/health", HttpRoute::kHealth, kGet, true},
    {"/ready", HttpRoute::kReady, kGet, true},
    {"/version", HttpRoute::kVersion, kGet, true},
    {"/stats", HttpRoute::kStats, kGet, false},
    {"/", HttpRoute::kPage, kGet, true},
    {"/v1/ws", HttpRoute::kWebSocket, kGet, false},
    {"/admin/v1/state", HttpRoute::kAdmin, kGet, false},
    {"/admin/v1/drain", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/undrain", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/shed", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/cancel_tenant", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/clamp", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/cache", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/trim", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/reload", HttpRoute::kAdmin, kPost, false},
    {"/admin/v1/profile", HttpRoute::kAdmin, kPost, false},
};
constexpr Route kModelRoute = {"/v1/models/", HttpRoute::kModels, kGet, false};

std::optional<unsigned> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

// What is no percent-encoding stays as it is.
std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      std::optional<unsigned> high = hex_value(text[i + 1]);
      std::optional<unsigned> low = hex_value(text[i + 2]);
      if (high && low) {
        out += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

}  // namespace

bool Route::allows(std::string_view method) const {
  std::string_view rest = methods;
  while (!rest.empty()) {
    std::size_t end = rest.find(", ");
    if (rest.substr(0, end) == method) return true;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
  }
  return false;
}

RouteMatch find_route(std::string_view path) {
  for (const Route& route : kRoutes) {
    if (path == route.path) return {&route, ""};
  }
  std::string_view prefix = kModelRoute.path;
  if (path.size() > prefix.size() && path.substr(0, prefix.size()) == prefix) {
    return {&kModelRoute, percent_decoded(path.substr(prefix.size()))};
  }
  return {};
}

}  // namespace troupe
