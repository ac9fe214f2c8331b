#include "net/http/api_keys.hpp"

#include "net/http/request_head.hpp"

namespace troupe {
namespace {

Digest digest_of(std::string_view key) { return Sha256().add(key).finish(); }

// Looks at every byte, whatever the first difference.
bool is_equal(const Digest& a, const Digest& b) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference |= static_cast<unsigned>(a[i] ^ b[i]);
  return difference == 0;
}

}  // namespace

ApiKeys::ApiKeys(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) digests_.push_back(digest_of(key));
}

std::optional<std::string> ApiKeys::tenant_of(std::string_view authorization) const {
  if (digests_.empty()) return std::string();
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size() ||
      !equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  Digest offered = digest_of(authorization.substr(kScheme.size()));
  bool known = false;
  for (const Digest& digest : digests_) known |= is_equal(digest, offered);  // all of them: no early end to time
  if (!known) return std::nullopt;
  return to_hex(offered);
}

}  // namespace troupe
