#pragma once
// The grammar of flags that choose among forms: a name, then numbers: "lognormal:160,1.2", "sharegpt".
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

struct Spec {
  std::string name;
  std::vector<double> numbers;  // finite
};

// `flag` is named in errors (kConfiguration). At most kSpecNumbersMax numbers.
inline constexpr std::size_t kSpecNumbersMax = 64;
Result<Spec> parse_spec(std::string_view flag, std::string_view text);

// A number and nothing after it; nothing for "", "1x", "inf" and "nan".
std::optional<double> parse_number(std::string_view text);

Error wrong_flag(std::string_view flag, std::string_view text, std::string_view expected);

}  // namespace troupe
