#pragma once
// Bodies of POST /admin/v1/..., checked. An operator's typo must not pass for a default: unknown fields are errors.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {

struct CacheChange {
  std::optional<bool> result_cache;  // absent: as it is
  std::optional<bool> prefix_cache;
};

Status parse_no_fields(std::string_view body);                            // empty or {}
Result<std::int32_t> parse_shed(std::string_view body);                   // {"below_priority": 5}
Result<std::string> parse_cancel_tenant(std::string_view body);           // {"tenant": "3f786850e387"}
Result<std::optional<std::uint32_t>> parse_clamp(std::string_view body);  // {"max_tokens": 64} or null
Result<CacheChange> parse_cache(std::string_view body);                   // {"result_cache": false}
Result<bool> parse_reload(std::string_view body);                         // empty, or {"dry_run": true}
Result<std::uint32_t> parse_profile(std::string_view body);               // empty (20 steps), or {"steps": 50}

}  // namespace troupe
