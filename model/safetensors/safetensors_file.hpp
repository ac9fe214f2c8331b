#pragma once
// One .safetensors file: a u64 with the header's length, the header, which is a JSON object, then the tensors' bytes.
// Hostile until checked: the tensors cover the bytes behind the header exactly, without holes and overlaps.
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/result.hpp"
#include "tensor/dtype.hpp"

namespace troupe {

inline constexpr std::uint64_t kSafetensorsHeaderBytesMax = 100'000'000;  // the format's own bound
inline constexpr std::size_t kStoredTensorsMax = 65536;
inline constexpr std::size_t kStoredNameBytesMax = 512;
inline constexpr std::size_t kStoredDimensionsMax = 8;

// The format's types, those we do not compute with included.
struct StoredType {
  const char* name;  // "BF16"
  std::uint32_t bytes;
  const DType* type;  // nullptr: cannot be served
};

struct StoredTensor {
  const StoredType* type = nullptr;
  std::vector<std::uint64_t> shape;  // outermost first, as the format has it; a dimension may be 0; empty: one value
  std::span<const std::byte> bytes;  // in the file; of any alignment
  std::size_t file = 0;              // which of several: set by who opens them
};

using StoredTensors = std::map<std::string, StoredTensor, std::less<>>;

struct SafetensorsContents {
  StoredTensors tensors;
  std::uint64_t header_bytes = 0;  // everything before the data
};

// `file` is the name for messages: errors are "<file>: <reason>", kModelFile.
Result<SafetensorsContents> parse_safetensors(std::span<const std::uint8_t> bytes, const std::string& file);

}  // namespace troupe
