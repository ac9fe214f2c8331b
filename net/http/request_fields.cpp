#include "net/http/request_fields.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "net/schema/api_request.hpp"

namespace troupe {
namespace {

constexpr std::size_t kRequestIdMax = 128;

bool is_harmless(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("-_.:/+=").find(c) != std::string_view::npos;
}

}  // namespace

std::optional<std::string> request_id_of(const RequestHead& head) {
  std::string_view given = head.find("x-request-id");
  if (given.empty() || given.size() > kRequestIdMax || !std::all_of(given.begin(), given.end(), is_harmless)) {
    return std::nullopt;
  }
  return std::string(given);
}

Result<std::optional<std::uint32_t>> timeout_of(const RequestHead& head) {
  std::string_view text = head.find("X-Request-Timeout-Ms");
  if (text.empty()) return std::optional<std::uint32_t>();
  std::uint32_t timeout_ms = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), timeout_ms);
  bool is_number = failed == std::errc{} && end == text.data() + text.size();
  if (is_number && timeout_ms >= 1 && timeout_ms <= kTimeoutMsMax) return std::optional<std::uint32_t>(timeout_ms);
  return Error{ErrorCode::kInvalidRequest,
               "the header X-Request-Timeout-Ms must be a whole number from 1 to " + std::to_string(kTimeoutMsMax),
               "X-Request-Timeout-Ms", 0};
}

CachePolicy cache_policy_of(const RequestHead& head) {
  std::string_view policy = head.find("Cache-Control");
  if (policy.find("no-cache") != std::string_view::npos) return CachePolicy::kNoCache;
  return policy.find("no-store") != std::string_view::npos ? CachePolicy::kNoStore : CachePolicy::kUse;
}

}  // namespace troupe
