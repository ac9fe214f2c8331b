#include "net/ws/ws_handshake.hpp"

#include <algorithm>

namespace troupe {
namespace {

bool is_base64(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

bool is_ws_key(std::string_view key) {
  key = trimmed(key);
  // 16 bytes are 22 characters, of which the last carries 2 bits, and two of padding.
  constexpr std::string_view kLastCharacters = "AQgw";
  return key.size() == 24 && key.ends_with("==") && std::all_of(key.begin(), key.begin() + 22, is_base64) &&
         kLastCharacters.find(key[21]) != std::string_view::npos;
}

bool is_origin_allowed(std::string_view origin, std::string_view host, const std::vector<std::string>& allowed) {
  if (origin.empty()) return true;
  for (const std::string& one : allowed) {
    if (one == "*" || same_text(one, origin)) return true;
  }
  for (std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme) && !host.empty() && same_text(origin.substr(scheme.size()), trimmed(host)))
      return true;
  }
  return false;
}

Status check_ws_handshake(const WsHandshake& handshake, const std::vector<std::string>& allowed_origins) {
  if (!is_ws_key(handshake.key)) {
    return Error{ErrorCode::kInvalidRequest, "Sec-WebSocket-Key must be 16 bytes in base64", "Sec-WebSocket-Key", 0};
  }
  if (!is_origin_allowed(handshake.origin, handshake.host, allowed_origins)) {
    return Error{ErrorCode::kForbidden, "pages of this origin may not connect", "Origin", 0};
  }
  return {};
}

std::string_view choose_ws_protocol(std::string_view offered) {
  while (!offered.empty()) {
    auto comma = offered.find(',');
    if (trimmed(offered.substr(0, comma)) == kWsProtocol) return kWsProtocol;
    offered = comma == std::string_view::npos ? std::string_view() : offered.substr(comma + 1);
  }
  return {};
}

}  // namespace troupe
