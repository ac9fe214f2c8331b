#pragma once
// What an operator has named a tenant and what it may have. Metrics know tenants by class: requests without a key, keys
// without a name, and the named ones, of which there are few: so tenants can be a label.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace troupe {

inline constexpr std::size_t kTenantNamesMax = 16;       // each is a value of a metric label
inline constexpr std::size_t kTenantNameLengthMax = 32;  // shorter than a key's digest, so the two are never mixed up

enum class TenantClass : std::uint8_t { kAnonymous, kOther };  // the named ones follow, by when they were first named
inline constexpr std::size_t kTenantClasses = kTenantNamesMax + 2;
constexpr TenantClass named_class(std::size_t index) { return static_cast<TenantClass>(index + 2); }
constexpr std::size_t index_of(TenantClass tenant) { return static_cast<std::size_t>(tenant); }

struct TenantRule {
  std::string name;
  double weight = 1;                    // its share of the service while others wait too
  std::uint32_t requests_max = 0;       // live at once; 0: no limit of its own
  std::uint32_t tokens_per_minute = 0;  // prompt and output; 0: no limit
  std::int32_t priority_max = std::numeric_limits<std::int32_t>::max();  // what its requests may ask for
};

// A letter, then letters, digits, "-", "_" and "."; neither a class of its own nor to be taken for a digest's digits.
bool is_tenant_name(std::string_view text);

inline constexpr std::size_t kTenantDigitsMin = 8;  // of a digest: fewer could be several keys
bool is_digest_digits(std::string_view text);       // kTenantDigitsMin and more, in lower-case hex

}  // namespace troupe
