#pragma once
// Who may ask. Keys are kept as digests and compared in constant time; a key's digest is also the tenant that
// separates caches. Keys never get into logs or answers.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/digest.hpp"

namespace troupe {

class ApiKeys {
 public:
  explicit ApiKeys(const std::vector<std::string>& keys);

  bool are_required() const { return !digests_.empty(); }
  // The tenant of "Bearer KEY"; nothing: no key or a wrong one. Empty when no keys are required.
  std::optional<std::string> tenant_of(std::string_view authorization) const;

 private:
  std::vector<Digest> digests_;
};

}  // namespace troupe
