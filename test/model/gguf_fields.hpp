#pragma once
// Where everything stands in the header of a valid GGUF file, so that a mutator can aim at it. Shares nothing with the
// reader it is to test, and trusts the file.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "test/model/gguf_writer.hpp"

namespace troupe::test {

struct GgufField {
  enum class Kind : std::uint8_t {
    kVersion,
    kTensorCount,
    kKeyCount,
    kLength,     // of a string: a key, a name, a value
    kText,       // the bytes of one
    kValueType,  // of a value or of an array's elements
    kArrayCount,
    kValue,      // a number, in an array or alone
    kAlignment,  // the value of general.alignment
    kDimensionCount,
    kDimension,
    kTensorType,
    kOffset,
  };
  Kind kind{};
  std::size_t at = 0;
  std::size_t size = 0;
};

struct GgufMap {
  std::vector<GgufField> fields;
  std::size_t header_bytes = 0;  // up to the padding before the data
};
GgufMap map_of(const Bytes& file);

}  // namespace troupe::test
