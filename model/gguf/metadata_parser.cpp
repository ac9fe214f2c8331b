#include "model/gguf/metadata_parser.hpp"

#include <cmath>

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kPairBytesMin = 13;  // length of the key, type, one byte of value

template <class T, class Stored>
bool take_as(Cursor& cursor, MetadataValue& value) {
  T number{};
  if (!cursor.take(number)) return false;
  value.value = static_cast<Stored>(number);
  return true;
}

// false: the bytes end before the value does.
bool take_number(Cursor& cursor, MetadataValue& value) {
  switch (value.type) {
    case ValueType::kU8:
    case ValueType::kBool:
      return take_as<std::uint8_t, std::uint64_t>(cursor, value);
    case ValueType::kI8:
      return take_as<std::int8_t, std::int64_t>(cursor, value);
    case ValueType::kU16:
      return take_as<std::uint16_t, std::uint64_t>(cursor, value);
    case ValueType::kI16:
      return take_as<std::int16_t, std::int64_t>(cursor, value);
    case ValueType::kU32:
      return take_as<std::uint32_t, std::uint64_t>(cursor, value);
    case ValueType::kI32:
      return take_as<std::int32_t, std::int64_t>(cursor, value);
    case ValueType::kF32:
      return take_as<float, double>(cursor, value);
    case ValueType::kU64:
      return take_as<std::uint64_t, std::uint64_t>(cursor, value);
    case ValueType::kI64:
      return take_as<std::int64_t, std::int64_t>(cursor, value);
    case ValueType::kF64:
      return take_as<double, double>(cursor, value);
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  return false;
}

bool is_value_type(std::uint32_t number) { return number <= static_cast<std::uint32_t>(ValueType::kF64); }

// Walks over the strings of an array, so that reading them later cannot fail.
bool skip_strings(Cursor& cursor, std::uint64_t count) {
  std::string_view text;
  for (std::uint64_t i = 0; i < count; ++i)
    if (!cursor.take_string(kStringBytesMax, text)) return false;
  return true;
}

Status parse_array(Cursor& cursor, std::string_view key, MetadataValue& value) {
  std::uint32_t type = 0;
  MetadataArray array;
  if (!cursor.take(type) || !cursor.take(array.count)) return load_error(key, "the file ends inside this array");
  if (!is_value_type(type)) return load_error(key, "array element type " + std::to_string(type) + " is unknown");
  array.element = static_cast<ValueType>(type);
  if (array.element == ValueType::kArray) return load_error(key, "arrays of arrays are not supported");
  if (array.count > kArrayElementsMax || array.count > cursor.remaining() / bytes_of(array.element))
    return load_error(key, "says it has " + std::to_string(array.count) + " elements; there are " +
                               std::to_string(cursor.remaining()) + " bytes left in the file");
  if (array.element != ValueType::kString) {
    cursor.take_bytes(array.count * bytes_of(array.element), array.bytes);
  } else {
    Cursor start = cursor;
    if (!skip_strings(cursor, array.count)) return load_error(key, "a string of this array is too long or cut off");
    start.take_bytes(cursor.position() - start.position(), array.bytes);
  }
  value.value = array;
  return {};
}

Status parse_value(Cursor& cursor, std::string_view key, MetadataValue& value) {
  if (value.type == ValueType::kArray) return parse_array(cursor, key, value);
  if (value.type == ValueType::kString) {
    std::string_view text;
    if (!cursor.take_string(kStringBytesMax, text)) return load_error(key, "the string is too long or cut off");
    value.value = text;
    return {};
  }
  if (!take_number(cursor, value)) return load_error(key, "the file ends inside this value");
  if (value.type == ValueType::kBool) {
    std::uint64_t byte = std::get<std::uint64_t>(value.value);
    if (byte > 1) return load_error(key, "is a bool of value " + std::to_string(byte));
    value.value = byte == 1;
  }
  if (auto* number = std::get_if<double>(&value.value); number && !std::isfinite(*number))
    return load_error(key, "is not a finite number");
  return {};
}

}  // namespace

Result<Metadata> parse_metadata(Cursor& cursor, std::uint64_t count) {
  if (count > kMetadataKeysMax || count > cursor.remaining() / kPairBytesMin)
    return load_error("n_kv", "the header says " + std::to_string(count) + " metadata keys; at most " +
                                  std::to_string(std::min(kMetadataKeysMax, cursor.remaining() / kPairBytesMin)) +
                                  " can be in this file");
  Metadata metadata;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string where = "metadata key " + std::to_string(i);
    std::string_view key;
    std::uint32_t type = 0;
    if (!cursor.take_string(kKeyBytesMax, key)) return load_error(where, "the name is too long or cut off");
    if (key.empty()) return load_error(where, "the name is empty");
    if (!cursor.take(type)) return load_error(key, "the file ends before its type");
    if (!is_value_type(type)) return load_error(key, "value type " + std::to_string(type) + " is unknown");
    MetadataValue value;
    value.type = static_cast<ValueType>(type);
    Cursor start = cursor;
    if (Status status = parse_value(cursor, key, value); !status) return status.error();
    start.take_bytes(cursor.position() - start.position(), value.bytes);
    if (!metadata.add(key, value)) return load_error(key, "this key is there twice");
  }
  return metadata;
}

}  // namespace troupe
