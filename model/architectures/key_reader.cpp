#include "model/architectures/key_reader.hpp"

#include "model/gguf/load_error.hpp"

namespace troupe {

std::uint32_t KeyReader::count(const char* name, std::uint64_t min, std::uint64_t max,
                               std::optional<std::uint64_t> fallback) {
  auto number = metadata_.count(key(name), min, max, fallback);
  if (number) return static_cast<std::uint32_t>(*number);
  keep(number.error());
  return static_cast<std::uint32_t>(min);
}

double KeyReader::real(const char* name, double min, double max, std::optional<double> fallback) {
  auto number = metadata_.real(key(name), fallback);
  if (!number) {
    keep(number.error());
    return min;
  }
  require(*number >= min && *number <= max, name,
          "is " + std::to_string(*number) + "; it must be from " + std::to_string(min) + " to " + std::to_string(max));
  return *number;
}

std::string KeyReader::text(const char* name, const char* fallback) {
  auto text = metadata_.text(key(name), fallback);
  if (text) return *text;
  keep(text.error());
  return fallback;
}

bool KeyReader::flag(const char* name, bool fallback) {
  auto flag = metadata_.flag(key(name));
  if (flag) return flag->value_or(fallback);
  keep(flag.error());
  return false;
}

void KeyReader::require(bool condition, const char* name, const std::string& reason) {
  if (!condition) keep(load_error(key(name), reason));
}

}  // namespace troupe
