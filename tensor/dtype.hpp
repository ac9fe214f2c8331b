#pragma once
// The number formats weights are stored in: one row a type. A new type is one row here, one dequantise function in
// dequantize.cpp and, to compute with it, one pack function in gpu/host/pack_blocks.cpp.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/result.hpp"

namespace troupe {

// Values are ggml's type ids, as they stand in a GGUF file.
enum class DType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIq4Nl = 20,
  kIq4Xs = 23,
  kBF16 = 30,
  kMxfp4 = 39,
};

constexpr bool is_float(DType type) { return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16; }

struct BlockFormat {
  DType type;
  const char* name;              // "Q4_1"
  std::uint32_t block_elements;  // values of one block: 1, 32 or 256
  std::uint32_t block_bytes;
  // The readable truth: out[i] for i < count * block_elements. `blocks_in` needs no alignment.
  void (*dequantize)(const std::byte* blocks_in, std::size_t count, float* out);
};

std::span<const BlockFormat> block_formats();
const BlockFormat* find_format(std::uint32_t ggml_id);  // nullptr: a type we do not know
const BlockFormat& format_of(DType type);               // every enumerator has a row

// Bytes of one row of `elements` values. kModelFile when the row is no whole number of blocks.
Result<std::uint64_t> row_bytes(DType type, std::uint64_t elements);

// One row, e.g. an embedding: rule 1 of the canon. `elements` is a whole number of blocks (checked when loaded).
void dequantize_row(DType type, const std::byte* row, std::uint64_t elements, float* out);

}  // namespace troupe
