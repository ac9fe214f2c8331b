// The definition of the canon "q8", version TX1, in code to be read. Rule numbers are those of gpu/host/numerics.md.
// Integers may be summed in any order; floats only in the order written here.
#include <cstring>

#include "gpu/host/kernels.hpp"
#include "gpu/host/portable_attention.hpp"
#include "gpu/host/portable_math.hpp"
#include "tensor/half.hpp"

namespace troupe {
namespace {

using namespace portable;

// Rule 2.
float rms_factor(const float* x, std::uint32_t n, float eps) {
  float lanes[16] = {};
  for (std::uint32_t i = 0; i < n; i += 16) {
    for (std::uint32_t j = 0; j < 16; ++j) lanes[j] = portable::fma(x[i + j], x[i + j], lanes[j]);
  }
  return 1.0F / std::sqrt(tree16(lanes) / static_cast<float>(n) + eps);
}

void rmsnorm(const float* x, const float* gain, std::uint32_t n, float eps, float* y) {
  const float r = rms_factor(x, n, eps);
  for (std::uint32_t i = 0; i < n; ++i) y[i] = (x[i] * r) * gain[i];
}

// Rule 3 for 32 values.
void quantize_block(const float* y, ActivationBlock& block, std::uint32_t slot) {
  const float m = max_abs(y, kBlockK);
  const float id = inv(127.0F, m);
  std::int32_t sums[2] = {0, 0};
  for (std::uint32_t i = 0; i < kBlockK; ++i) {
    const auto q = static_cast<std::int32_t>(rne(y[i] * id));
    block.q[slot][i] = static_cast<std::int8_t>(q);
    sums[i / 16] += q;
  }
  const std::int32_t sum = sums[0] + sums[1];
  block.scale[slot] = scl(127.0F, m);
  block.scaled_sum[slot] = block.scale[slot] * static_cast<float>(sum);
  block.minus_8_sum[slot] = -8 * sum;
  block.minus_128_sum[slot] = -128 * sum;
  block.minus_128_sum_low[slot] = -128 * sums[0];
  block.minus_128_sum_high[slot] = -128 * sums[1];
}

void rmsnorm_quantize(const float* x, const float* gain, std::uint32_t columns, float eps, ActivationBlock* tile,
                      std::uint32_t slot) {
  const float r = rms_factor(x, columns, eps);
  for (std::uint32_t k = 0; k < columns; k += kBlockK) {
    float y[kBlockK];
    for (std::uint32_t i = 0; i < kBlockK; ++i) y[i] = (x[k + i] * r) * gain[k + i];
    quantize_block(y, tile[k / kBlockK], slot);
  }
}

void quantize(const float* x, std::uint32_t columns, ActivationBlock* tile, std::uint32_t slot) {
  for (std::uint32_t k = 0; k < columns; k += kBlockK) quantize_block(x + k, tile[k / kBlockK], slot);
}

void rmsnorm_quantize_tile(const float* x, std::size_t stride, const float* gain, std::uint32_t columns, float eps,
                           ActivationBlock* tile) {
  for (std::uint32_t slot = 0; slot < kTokenTile; ++slot)
    rmsnorm_quantize(x + slot * stride, gain, columns, eps, tile, slot);
}

void quantize_tile(const float* x, std::size_t stride, std::uint32_t columns, ActivationBlock* tile) {
  for (std::uint32_t slot = 0; slot < kTokenTile; ++slot) quantize(x + slot * stride, columns, tile, slot);
}

float load_f16(const std::byte* bytes, std::uint32_t index) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes + 2 * index, sizeof half);
  return f16_to_f32(half);
}
float load_bf16(const std::byte* bytes, std::uint32_t index) {
  std::uint16_t brain = 0;
  std::memcpy(&brain, bytes + 2 * index, sizeof brain);
  return bf16_to_f32(brain);
}
float load_f32(const std::byte* bytes, std::uint32_t index) {
  float value = 0;
  std::memcpy(&value, bytes + 4 * index, sizeof value);
  return value;
}

// One row of a packed tile, read as packed_layout.hpp says.
struct RowReader {
  PackedFormat format;
  std::uint32_t row;  // of 16
  PackedLayout layout = layout_of(format);

  // The code of column k (< 32); `lines` is the block's first.
  std::int32_t code(const std::byte* lines, std::uint32_t k) const {
    const std::uint32_t line = k / 4;
    const auto byte = [&](std::uint32_t begin) {
      return std::to_integer<std::uint32_t>(lines[begin + 4 * row + k % 4]);
    };
    const auto nibble = [&] { return byte(64 * (line % 4)) >> (line < 4 ? 0 : 4) & 15U; };
    const auto two = [&](std::uint32_t begin) { return byte(begin + 64 * (line / 4)) >> (2 * (line % 4)) & 3U; };
    const auto one = [&](std::uint32_t begin) { return byte(begin) >> line & 1U; };
    std::uint32_t code = 0;
    switch (layout.codes) {
      case Codes::kNibble:
        code = nibble();
        break;
      case Codes::kTable:
        code = table_of(format).value[nibble()];
        break;
      case Codes::kFive:
        code = nibble() | one(256) << 4;
        break;
      case Codes::kSix:
        code = nibble() | two(256) << 4;
        break;
      case Codes::kTwo:
        code = two(0);
        break;
      case Codes::kThree:
        code = two(0) | one(128) << 2;
        break;
      case Codes::kByte:
        code = byte(64 * line);
        break;
      case Codes::kHalves:
      case Codes::kFloats:
        break;
    }
    return static_cast<std::int32_t>(code);
  }

  // group: index in the super-block of what has a scale of its own.
  float scale(const std::byte* super, std::uint32_t group) const {
    switch (layout.scales) {
      case Scales::kHalf:
        return load_f16(super, 16 * group + row);
      case Scales::kBrain:
        return load_bf16(super, 16 * group + row);
      case Scales::kSub:
        return load_f16(super, row) * static_cast<float>(std::to_integer<std::int8_t>(super[64 + 16 * group + row]));
      case Scales::kNone:
        break;
    }
    return 0.0F;
  }
  float min(const std::byte* super, std::uint32_t group) const {
    if (layout.scales == Scales::kHalf) return load_f16(super + layout.min_offset(), 16 * group + row);
    const auto min = std::to_integer<std::int8_t>(super[layout.min_offset() + 16 * group + row]);
    return -(load_f16(super + 32, row) * static_cast<float>(min));
  }
};

// Rule 4 for one block of a super-block, added to acc.
float add_block(const RowReader& reader, const std::byte* super, std::uint32_t block, const ActivationBlock& a,
                std::uint32_t slot, float acc) {
  const PackedLayout& layout = reader.layout;
  const std::byte* lines = super + layout.scale_bytes() + block * layout.block_bytes();
  const std::uint32_t width = kBlockK / layout.groups;
  for (std::uint32_t group = 0; group < layout.groups; ++group) {
    std::int32_t isum = 0;
    std::int32_t sum = 0;
    for (std::uint32_t k = group * width; k < (group + 1) * width; ++k) {
      isum += (reader.code(lines, k) - layout.zero) * a.q[slot][k];
      sum += a.q[slot][k];
    }
    const std::uint32_t at = block * layout.groups + group;
    acc = portable::fma(static_cast<float>(isum), reader.scale(super, at) * a.scale[slot], acc);
    if (layout.has_min) acc = portable::fma(reader.min(super, at), a.scale[slot] * static_cast<float>(sum), acc);
  }
  return acc;
}

float dot_row(const PackedMatrix& w, std::uint32_t row, const ActivationBlock* blocks, std::uint32_t slot) {
  const RowReader reader{w.format, row % kTileRows};
  const std::byte* super = w.data + row / kTileRows * w.tile_bytes;
  float acc = 0.0F;
  for (std::uint32_t s = 0; s < w.super_blocks; ++s, super += reader.layout.super_block_bytes()) {
    for (std::uint32_t block = 0; block < reader.layout.blocks; ++block) {
      acc = add_block(reader, super, block, blocks[s * reader.layout.blocks + block], slot, acc);
    }
  }
  return acc;
}

float gate_mul(Epilogue how, float gate, float up) {
  return how == Epilogue::kGeluMul ? gelu_mul(gate, up) : silu_mul(gate, up);
}

// One token's output rows; dot(row) is the product.
template <class Dot>
void store_rows(std::uint32_t tile_begin, std::uint32_t tile_end, const GemmOutput& out, float* y, const Dot& dot) {
  const auto sum = [&](std::uint32_t row) { return out.bias != nullptr ? dot(row) + out.bias[row] : dot(row); };
  for (std::uint32_t row = tile_begin * kTileRows; row < tile_end * kTileRows; ++row) {
    switch (out.epilogue) {
      case Epilogue::kStore:
        y[row] = sum(row);
        break;
      case Epilogue::kAdd:
        y[row] = y[row] + sum(row);
        break;
      case Epilogue::kSiluMul:
      case Epilogue::kGeluMul:
        if (row / kTileRows % 2 == 0) {
          const std::uint32_t column = row / (2 * kTileRows) * kTileRows + row % kTileRows;
          y[column] = gate_mul(out.epilogue, sum(row), sum(row + kTileRows));
        }
        break;
    }
  }
}

void gemm(const PackedMatrix& w, std::uint32_t tile_begin, std::uint32_t tile_end, const ActivationBlock* activations,
          std::uint32_t token_begin, std::uint32_t token_end, const GemmOutput& out) {
  for (std::uint32_t token = token_begin; token < token_end; ++token) {
    const ActivationBlock* blocks = activations + std::size_t{token / kTokenTile} * w.blocks;
    store_rows(tile_begin, tile_end, out, out.y + token * out.stride,
               [&](std::uint32_t row) { return dot_row(w, row, blocks, token % kTokenTile); });
  }
}

// Rule 4 for weights that are floats.
float weight_at(PackedFormat format, const std::byte* tile, std::uint32_t index) {
  if (format == PackedFormat::kF32) return load_f32(tile, index);
  return format == PackedFormat::kF16 ? load_f16(tile, index) : load_bf16(tile, index);
}

float dot_float_row(const PackedMatrix& w, std::uint32_t row, const float* x) {
  const std::byte* tile = w.data + row / kTileRows * w.tile_bytes;
  float acc = 0.0F;
  for (std::uint32_t block = 0; block < w.columns; block += kBlockK) {
    float sum = 0.0F;
    for (std::uint32_t k = block; k < block + kBlockK; ++k) {
      sum = portable::fma(weight_at(w.format, tile, k * kTileRows + row % kTileRows), x[k], sum);
    }
    acc = acc + sum;
  }
  return acc;
}

void gemm_floats(const PackedMatrix& w, std::uint32_t tile_begin, std::uint32_t tile_end, const float* x,
                 std::size_t x_stride, std::uint32_t token_begin, std::uint32_t token_end, const GemmOutput& out) {
  for (std::uint32_t token = token_begin; token < token_end; ++token) {
    store_rows(tile_begin, tile_end, out, out.y + token * out.stride,
               [&](std::uint32_t row) { return dot_float_row(w, row, x + token * x_stride); });
  }
}

void gate_mul_rows(Epilogue how, const float* gate, const float* up, std::uint32_t n, float* h) {
  for (std::uint32_t i = 0; i < n; ++i) h[i] = gate_mul(how, gate[i], up[i]);
}

void soft_cap_of(const float* x, std::uint32_t n, SoftCap cap, float* y) {
  for (std::uint32_t i = 0; i < n; ++i) y[i] = cap.limit > 0 ? portable::soft_cap(x[i], cap.slope, cap.limit) : x[i];
}

MaxLogit max_logit(const float* logits, std::uint32_t n) {
  MaxLogit max{0, logits[0]};
  for (std::uint32_t i = 1; i < n; ++i) {
    if (logits[i] > max.value) max = {i, logits[i]};
  }
  return max;
}

void exp2_of(const float* x, std::uint32_t n, float* y) {
  for (std::uint32_t i = 0; i < n; ++i) y[i] = exp2x(x[i]);
}

}  // namespace

const HostKernels kPortableKernels = {
    "portable",    rmsnorm,     rmsnorm_quantize, quantize,         rmsnorm_quantize_tile,
    quantize_tile, gemm,        gemm_floats,      gate_mul_rows,    rope,
    hadamard,      append_kv,   attention,        append_kv_halves, attend_halves,
    join_spans,    soft_cap_of, max_logit,        exp2_of};

}  // namespace troupe
