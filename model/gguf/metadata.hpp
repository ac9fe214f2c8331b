#pragma once
// The key-value part of a GGUF file: values as they were written, and typed look-ups that check type and range. Text
// and arrays point into the file's bytes, which must outlive this.
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

// The type numbers of the format.
enum class ValueType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12
};
const char* name_of(ValueType type);
std::uint32_t bytes_of(ValueType type);  // of a scalar; a string has at least 8 (its length), 0 for arrays

// Elements as they lie in the file: scalars packed, strings each with their u64 length. All within the file.
struct MetadataArray {
  ValueType element = ValueType::kU8;
  std::uint64_t count = 0;
  std::span<const std::uint8_t> bytes;
};

struct MetadataValue {
  ValueType type = ValueType::kU8;
  // Unsigned, signed, floating (always finite), bool, text, array.
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, MetadataArray> value;
  std::span<const std::uint8_t> bytes;  // as it stands in the file, behind its type
};

class Metadata {
 public:
  bool add(std::string_view key, MetadataValue value);  // false: the key is there already
  std::size_t size() const { return values_.size(); }
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const MetadataValue* find(std::string_view key) const;
  const std::map<std::string_view, MetadataValue, std::less<>>& all() const { return values_; }

  // An error names the key. Without a fallback the key must be there; with one, its absence is fine but a value of
  // another type or out of [min, max] is not.
  using Count = std::uint64_t;
  Result<Count> count(std::string_view key, Count min, Count max, std::optional<Count> fallback = {}) const;
  Result<double> real(std::string_view key, std::optional<double> fallback = {}) const;
  Result<std::string> text(std::string_view key, std::optional<std::string> fallback = {}) const;
  Result<std::optional<bool>> flag(std::string_view key) const;

  // Whole arrays; empty when the key is missing.
  Result<std::vector<std::string>> strings(std::string_view key) const;
  Result<std::vector<float>> floats(std::string_view key) const;  // finite
  Result<std::vector<std::int32_t>> integers(std::string_view key) const;

 private:
  Result<const MetadataArray*> array(std::string_view key) const;  // nullptr when the key is missing

  std::map<std::string_view, MetadataValue, std::less<>> values_;
};

}  // namespace troupe
