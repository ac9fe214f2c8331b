#include "conf/quantity.hpp"

#include <array>
#include <limits>

namespace troupe {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t bytes;
};
constexpr std::array<Unit, 10> kUnits = {{{"Ki", 1ULL << 10},
                                          {"Mi", 1ULL << 20},
                                          {"Gi", 1ULL << 30},
                                          {"Ti", 1ULL << 40},
                                          {"k", 1'000},
                                          {"K", 1'000},
                                          {"M", 1'000'000},
                                          {"G", 1'000'000'000},
                                          {"T", 1'000'000'000'000},
                                          {"", 1}}};
constexpr std::size_t kFractionDigitsMax = 6;

Error bad(std::string_view text, const char* why) {
  return Error{ErrorCode::kConfiguration,
               "\"" + std::string(text.substr(0, 40)) + "\" is not a quantity of bytes: " + why +
                   " (write 1048576, \"512M\" or \"8Gi\")",
               "", 0};
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Result<std::uint64_t> parse_quantity(std::string_view text) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  std::size_t at = 0;
  std::uint64_t whole = 0;
  while (at < text.size() && is_digit(text[at])) {
    std::uint64_t digit = static_cast<std::uint64_t>(text[at++] - '0');
    if (whole > (kMax - digit) / 10) return bad(text, "it is too large");
    whole = whole * 10 + digit;
  }
  if (at == 0) return bad(text, "it must start with a digit");
  std::uint64_t fraction = 0, scale = 1;
  if (at < text.size() && text[at] == '.') {
    std::size_t begin = ++at;
    while (at < text.size() && is_digit(text[at])) {
      fraction = fraction * 10 + static_cast<std::uint64_t>(text[at++] - '0');
      scale *= 10;
      if (at - begin > kFractionDigitsMax) return bad(text, "it has too many digits after the point");
    }
    if (at == begin) return bad(text, "a digit must follow the point");
  }
  for (const Unit& unit : kUnits) {
    if (text.substr(at) != unit.suffix) continue;
    if (unit.bytes == 1 && scale > 1) return bad(text, "a fraction needs a unit");
    if (whole > kMax / unit.bytes) return bad(text, "it is too large");
    std::uint64_t bytes = whole * unit.bytes;
    // fraction < 10^6 and unit <= 2^40: the product fits.
    std::uint64_t rest = fraction * unit.bytes / scale;
    if (bytes > kMax - rest) return bad(text, "it is too large");
    return bytes + rest;
  }
  return bad(text, "the unit is unknown");
}

std::string format_quantity(std::uint64_t bytes) {
  for (std::size_t i = 4; i-- > 0;) {
    if (bytes != 0 && bytes % kUnits[i].bytes == 0)
      return std::to_string(bytes / kUnits[i].bytes) + std::string(kUnits[i].suffix);
  }
  return std::to_string(bytes);
}

}  // namespace troupe
