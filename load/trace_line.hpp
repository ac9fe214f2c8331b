#pragma once
// One line of a trace file, as text: a CSV record or a flat JSON object. Hostile input: every bound is named.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

inline constexpr std::size_t kTraceLineMax = 64U << 10;  // bytes
inline constexpr std::size_t kTraceFieldsMax = 64;
inline constexpr std::size_t kTraceTextMax = 128;  // bytes of a value that is text

// Cells without quotes or wholly in quotes ("" inside means "); spaces around a cell do not count.
Result<std::vector<std::string>> split_csv(std::string_view line);

// The members whose values are numbers or strings, as text; other values are passed over, at most 16 deep. Of a
// string's escapes \" \\ and \/ are understood: nothing in a trace needs more.
Result<std::vector<std::pair<std::string, std::string>>> split_json_object(std::string_view line);

}  // namespace troupe
