#include "model/gguf/metadata.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "model/gguf/cursor.hpp"
#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

Error missing(std::string_view key) { return load_error(key, "is missing"); }

Error wrong_type(std::string_view key, const MetadataValue& value, const char* wanted) {
  return load_error(key, std::string("is of type ") + name_of(value.type) + ", not " + wanted);
}

std::optional<std::uint64_t> as_count(const MetadataValue& value) {
  if (auto* number = std::get_if<std::uint64_t>(&value.value)) return *number;
  if (auto* number = std::get_if<std::int64_t>(&value.value); number && *number >= 0)
    return static_cast<std::uint64_t>(*number);
  return {};
}

template <class From>
bool copy_integers(Cursor cursor, std::vector<std::int32_t>& numbers) {
  for (std::int32_t& number : numbers) {
    From value{};
    if (!cursor.take(value)) return false;
    if (static_cast<std::int64_t>(value) > std::numeric_limits<std::int32_t>::max()) return false;
    number = static_cast<std::int32_t>(value);
  }
  return true;
}

}  // namespace

const char* name_of(ValueType type) {
  switch (type) {
    case ValueType::kU8:
      return "u8";
    case ValueType::kI8:
      return "i8";
    case ValueType::kU16:
      return "u16";
    case ValueType::kI16:
      return "i16";
    case ValueType::kU32:
      return "u32";
    case ValueType::kI32:
      return "i32";
    case ValueType::kF32:
      return "f32";
    case ValueType::kBool:
      return "bool";
    case ValueType::kString:
      return "string";
    case ValueType::kArray:
      return "array";
    case ValueType::kU64:
      return "u64";
    case ValueType::kI64:
      return "i64";
    case ValueType::kF64:
      return "f64";
  }
  return "unknown";
}

std::uint32_t bytes_of(ValueType type) {
  switch (type) {
    case ValueType::kU8:
    case ValueType::kI8:
    case ValueType::kBool:
      return 1;
    case ValueType::kU16:
    case ValueType::kI16:
      return 2;
    case ValueType::kU32:
    case ValueType::kI32:
    case ValueType::kF32:
      return 4;
    case ValueType::kString:
    case ValueType::kU64:
    case ValueType::kI64:
    case ValueType::kF64:
      return 8;
    case ValueType::kArray:
      return 0;
  }
  return 0;
}

bool Metadata::add(std::string_view key, MetadataValue value) { return values_.emplace(key, value).second; }

const MetadataValue* Metadata::find(std::string_view key) const {
  auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

Result<std::uint64_t> Metadata::count(std::string_view key, Count min, Count max, std::optional<Count> fallback) const {
  const MetadataValue* value = find(key);
  if (!value) return fallback ? Result<Count>(*fallback) : missing(key);
  if (!std::holds_alternative<std::uint64_t>(value->value) && !std::holds_alternative<std::int64_t>(value->value))
    return wrong_type(key, *value, "an integer");
  std::optional<Count> number = as_count(*value);
  if (!number || *number < min || *number > max) {
    std::string shown = number ? std::to_string(*number) : std::to_string(std::get<std::int64_t>(value->value));
    return load_error(key, "is " + shown + "; it must be " + std::to_string(min) + " to " + std::to_string(max));
  }
  return *number;
}

Result<double> Metadata::real(std::string_view key, std::optional<double> fallback) const {
  const MetadataValue* value = find(key);
  if (!value) return fallback ? Result<double>(*fallback) : missing(key);
  auto* number = std::get_if<double>(&value->value);
  if (!number) return wrong_type(key, *value, "a floating point number");
  return *number;
}

Result<std::string> Metadata::text(std::string_view key, std::optional<std::string> fallback) const {
  const MetadataValue* value = find(key);
  if (!value) return fallback ? Result<std::string>(std::move(*fallback)) : missing(key);
  auto* text = std::get_if<std::string_view>(&value->value);
  if (!text) return wrong_type(key, *value, "a string");
  return std::string(*text);
}

Result<std::optional<bool>> Metadata::flag(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (!value) return std::optional<bool>();
  auto* flag = std::get_if<bool>(&value->value);
  if (!flag) return wrong_type(key, *value, "a bool");
  return std::optional<bool>(*flag);
}

Result<const MetadataArray*> Metadata::array(std::string_view key) const {
  const MetadataValue* value = find(key);
  if (!value) return static_cast<const MetadataArray*>(nullptr);
  auto* array = std::get_if<MetadataArray>(&value->value);
  if (!array) return wrong_type(key, *value, "an array");
  return array;
}

Result<std::vector<std::string>> Metadata::strings(std::string_view key) const {
  auto array = this->array(key);
  if (!array) return array.error();
  std::vector<std::string> strings;
  if (!*array) return strings;
  if ((*array)->element != ValueType::kString)
    return load_error(key, std::string("is an array of ") + name_of((*array)->element) + ", not of strings");
  strings.reserve((*array)->count);
  Cursor cursor((*array)->bytes);
  for (std::uint64_t i = 0; i < (*array)->count; ++i) {
    std::string_view text;
    if (!cursor.take_string(cursor.remaining(), text)) return load_error(key, "is cut off");
    strings.emplace_back(text);
  }
  return strings;
}

Result<std::vector<float>> Metadata::floats(std::string_view key) const {
  auto array = this->array(key);
  if (!array) return array.error();
  if (!*array) return std::vector<float>();
  if ((*array)->element != ValueType::kF32)
    return load_error(key, std::string("is an array of ") + name_of((*array)->element) + ", not of f32");
  std::vector<float> numbers((*array)->count);
  if (!numbers.empty()) std::memcpy(numbers.data(), (*array)->bytes.data(), numbers.size() * sizeof(float));
  for (float number : numbers)
    if (!std::isfinite(number)) return load_error(key, "has an element that is not a finite number");
  return numbers;
}

Result<std::vector<std::int32_t>> Metadata::integers(std::string_view key) const {
  auto array = this->array(key);
  if (!array) return array.error();
  if (!*array) return std::vector<std::int32_t>();
  std::vector<std::int32_t> numbers((*array)->count);
  Cursor cursor((*array)->bytes);
  if ((*array)->element == ValueType::kI32 && copy_integers<std::int32_t>(cursor, numbers)) return numbers;
  if ((*array)->element == ValueType::kU32 && copy_integers<std::uint32_t>(cursor, numbers)) return numbers;
  return load_error(key, std::string("is an array of ") + name_of((*array)->element) + ", not of 32-bit integers");
}

}  // namespace troupe
