#pragma once
// Who may ask. Keys are kept as digests and compared in constant time; a key's digest, or the name its tenant has, is
// the tenant that separates caches. Keys never get into logs or answers.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/digest.hpp"

namespace troupe {

class ApiKeys {
 public:
  struct Named {
    std::string key;
    std::string tenant;
  };
  explicit ApiKeys(const std::vector<std::string>& keys, const std::vector<Named>& named = {});

  bool are_required() const { return !known_.empty(); }
  // The tenant of "Bearer KEY"; nothing: no key or a wrong one. Empty when no keys are required.
  std::optional<std::string> tenant_of(std::string_view authorization) const;

 private:
  struct Known {
    Digest digest;
    std::string tenant;
  };
  std::vector<Known> known_;
};

}  // namespace troupe
