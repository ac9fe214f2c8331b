#include "load/spec.hpp"

#include <charconv>
#include <cmath>

namespace troupe {

std::optional<double> parse_number(std::string_view text) {
  double number = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) return std::nullopt;
  return number;
}

Error wrong_flag(std::string_view flag, std::string_view text, std::string_view expected) {
  constexpr std::size_t kShown = 80;
  return {ErrorCode::kConfiguration,
          std::string(flag) + " is \"" + std::string(text.substr(0, kShown)) + "\"; expected " + std::string(expected),
          std::string(flag), 0};
}

Result<Spec> parse_spec(std::string_view flag, std::string_view text) {
  Spec spec;
  std::size_t colon = text.find(':');
  spec.name = std::string(text.substr(0, colon));
  if (colon == std::string_view::npos) return spec;
  std::string_view rest = text.substr(colon + 1);
  for (;;) {
    std::size_t comma = rest.find(',');
    auto number = parse_number(rest.substr(0, comma));
    if (!number) return wrong_flag(flag, text, "numbers after the colon, separated by commas");
    if (spec.numbers.size() == kSpecNumbersMax)
      return wrong_flag(flag, text, "at most " + std::to_string(kSpecNumbersMax) + " numbers");
    spec.numbers.push_back(*number);
    if (comma == std::string_view::npos) return spec;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace troupe
