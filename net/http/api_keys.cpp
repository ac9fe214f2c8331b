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

ApiKeys::ApiKeys(const std::vector<std::string>& keys, const std::vector<Named>& named) {
  for (const std::string& key : keys) {
    Digest digest = digest_of(key);
    known_.push_back({digest, to_hex(digest)});
  }
  for (const Named& one : named) known_.push_back({digest_of(one.key), one.tenant});
}

std::optional<std::string> ApiKeys::tenant_of(std::string_view authorization) const {
  if (known_.empty()) return std::string();
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size() ||
      !equals_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  Digest offered = digest_of(authorization.substr(kScheme.size()));
  const Known* found = nullptr;
  for (const Known& known : known_) {  // all of them: no early end to time
    if (is_equal(known.digest, offered)) found = &known;
  }
  if (found == nullptr) return std::nullopt;
  return found->tenant;
}

}  // namespace troupe
