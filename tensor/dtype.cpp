#include "tensor/dtype.hpp"

#include <array>
#include <string>

#include "tensor/dequantize.hpp"
#include "tensor/shape.hpp"

namespace troupe {
namespace {

constexpr std::array kFormats = {
    BlockFormat{DType::kF32, "F32", 1, 4, dequantize_f32},
    BlockFormat{DType::kF16, "F16", 1, 2, dequantize_f16},
    BlockFormat{DType::kBF16, "BF16", 1, 2, dequantize_bf16},
    BlockFormat{DType::kQ4_0, "Q4_0", 32, 18, dequantize_q4_0},
    BlockFormat{DType::kQ4_1, "Q4_1", 32, 20, dequantize_q4_1},
    BlockFormat{DType::kQ5_0, "Q5_0", 32, 22, dequantize_q5_0},
    BlockFormat{DType::kQ5_1, "Q5_1", 32, 24, dequantize_q5_1},
    BlockFormat{DType::kQ8_0, "Q8_0", 32, 34, dequantize_q8_0},
    BlockFormat{DType::kQ2_K, "Q2_K", 256, 84, dequantize_q2_k},
    BlockFormat{DType::kQ3_K, "Q3_K", 256, 110, dequantize_q3_k},
    BlockFormat{DType::kQ4_K, "Q4_K", 256, 144, dequantize_q4_k},
    BlockFormat{DType::kQ5_K, "Q5_K", 256, 176, dequantize_q5_k},
    BlockFormat{DType::kQ6_K, "Q6_K", 256, 210, dequantize_q6_k},
    BlockFormat{DType::kIq4Nl, "IQ4_NL", 32, 18, dequantize_iq4_nl},
    BlockFormat{DType::kIq4Xs, "IQ4_XS", 256, 136, dequantize_iq4_xs},
    BlockFormat{DType::kMxfp4, "MXFP4", 32, 17, dequantize_mxfp4},
};

}  // namespace

std::span<const BlockFormat> block_formats() { return kFormats; }

const BlockFormat* find_format(std::uint32_t ggml_id) {
  for (const BlockFormat& format : kFormats) {
    if (static_cast<std::uint32_t>(format.type) == ggml_id) return &format;
  }
  return nullptr;
}

const BlockFormat& format_of(DType type) {
  const BlockFormat* format = find_format(static_cast<std::uint32_t>(type));
  TROUPE_CHECK(format != nullptr, "a DType has no row in the table of block formats");
  return *format;
}

Result<std::uint64_t> row_bytes(DType type, std::uint64_t elements) {
  const BlockFormat& format = format_of(type);
  if (elements % format.block_elements != 0) {
    return Error{ErrorCode::kModelFile,
                 "a row of " + std::to_string(elements) + " values is no whole number of " + format.name +
                     " blocks of " + std::to_string(format.block_elements),
                 "", 0};
  }
  const auto bytes = checked_multiply(elements / format.block_elements, format.block_bytes);
  if (!bytes)
    return Error{ErrorCode::kModelFile, "a row of " + std::to_string(elements) + " values is too long", "", 0};
  return *bytes;
}

void dequantize_row(DType type, const std::byte* row, std::uint64_t elements, float* out) {
  const BlockFormat& format = format_of(type);
  format.dequantize(row, elements / format.block_elements, out);
}

}  // namespace troupe
