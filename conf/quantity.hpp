#pragma once
// Kubernetes quantities for bytes (R046): "8Gi", "1.5Gi", "512M", "1048576"; Ki Mi Gi Ti are powers of 1024, k K M G T
// of 1000.
#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {
Result<std::uint64_t> parse_quantity(std::string_view text);  // kConfiguration names the text and what is allowed
std::string format_quantity(std::uint64_t bytes);             // the largest binary unit that divides it: "64Mi"
}  // namespace troupe
