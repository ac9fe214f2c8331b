// The definition of the canon "q8", version TX1, in code to be read. Rule numbers are those of gpu/host/numerics.md.
// Integers may be summed in any order; floats only in the order written here.
#include <cstring>

#include "gpu/host/kernels.hpp"
#include "gpu/host/kv_layout.hpp"
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

// A tile has an even number of blocks: the one too many is zero.
void zero_last_block(std::uint32_t columns, ActivationBlock* tile, std::uint32_t slot) {
  const float zeros[kBlockK] = {};
  if (columns / kBlockK % 2 != 0) quantize_block(zeros, tile[columns / kBlockK], slot);
}

void rmsnorm_quantize(const float* x, const float* gain, std::uint32_t columns, float eps, ActivationBlock* tile,
                      std::uint32_t slot) {
  const float r = rms_factor(x, columns, eps);
  for (std::uint32_t k = 0; k < columns; k += kBlockK) {
    float y[kBlockK];
    for (std::uint32_t i = 0; i < kBlockK; ++i) y[i] = (x[k + i] * r) * gain[k + i];
    quantize_block(y, tile[k / kBlockK], slot);
  }
  zero_last_block(columns, tile, slot);
}

void quantize(const float* x, std::uint32_t columns, ActivationBlock* tile, std::uint32_t slot) {
  for (std::uint32_t k = 0; k < columns; k += kBlockK) quantize_block(x + k, tile[k / kBlockK], slot);
  zero_last_block(columns, tile, slot);
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
      case Scales::kFloat:
        return load_f32(super, 16 * group + row);
      case Scales::kSub:
        return load_f16(super, row) * static_cast<float>(std::to_integer<std::int8_t>(super[64 + 16 * group + row]));
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

void gemm(const PackedMatrix& w, std::uint32_t tile_begin, std::uint32_t tile_end, const ActivationBlock* activations,
          std::uint32_t token_begin, std::uint32_t token_end, const GemmOutput& out) {
  for (std::uint32_t token = token_begin; token < token_end; ++token) {
    const ActivationBlock* blocks = activations + std::size_t{token / kTokenTile} * w.blocks;
    const auto dot = [&](std::uint32_t row) {
      const float acc = dot_row(w, row, blocks, token % kTokenTile);
      return out.bias != nullptr ? acc + out.bias[row] : acc;
    };
    float* y = out.y + token * out.stride;
    for (std::uint32_t row = tile_begin * kTileRows; row < tile_end * kTileRows; ++row) {
      switch (out.epilogue) {
        case Epilogue::kStore:
          y[row] = dot(row);
          break;
        case Epilogue::kAdd:
          y[row] = y[row] + dot(row);
          break;
        case Epilogue::kSiluMul:
          if (row / kTileRows % 2 == 0) {
            const std::uint32_t column = row / (2 * kTileRows) * kTileRows + row % kTileRows;
            y[column] = portable::silu_mul(dot(row), dot(row + kTileRows));
          }
          break;
      }
    }
  }
}

void silu_mul_rows(const float* gate, const float* up, std::uint32_t n, float* h) {
  for (std::uint32_t i = 0; i < n; ++i) h[i] = portable::silu_mul(gate[i], up[i]);
}

// Rule 7.
void rope(float* v, const float* cos_sin, std::uint32_t dims) {
  const std::uint32_t half = dims / 2;
  for (std::uint32_t i = 0; i < half; ++i) {
    const float a = v[i];
    const float b = v[i + half];
    const float c = cos_sin[i];
    const float s = cos_sin[half + i];
    v[i] = portable::fma(a, c, -(b * s));
    v[i + half] = portable::fma(a, s, b * c);
  }
}

// Rule 8.
void hadamard(float* v, std::uint32_t n) {
  for (std::uint32_t stride = hadamard_block(n) / 2; stride >= 1; stride /= 2) {
    for (std::uint32_t i = 0; i < n; ++i) {
      if ((i & stride) != 0) continue;
      const float a = v[i];
      const float b = v[i + stride];
      v[i] = a + b;
      v[i + stride] = a - b;
    }
  }
}

// Rule 9.
void append_kv(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim) {
  float rotated[kHeadDimMax];
  std::memcpy(rotated, k, head_dim * sizeof(float));
  hadamard(rotated, head_dim);
  std::byte* values = page + kPageTokens * head_dim;
  std::byte* scales = page + 2 * kPageTokens * head_dim;

  float m = max_abs(rotated, head_dim);
  float id = inv(127.0F, m);
  float scale = scl(127.0F, m);
  std::memcpy(scales + 4 * slot, &scale, sizeof scale);
  for (std::uint32_t d = 0; d < head_dim; ++d) {
    page[d / 4 * 64 + slot * 4 + d % 4] = static_cast<std::byte>(static_cast<std::int32_t>(rne(rotated[d] * id)) + 128);
  }
  m = max_abs(v, head_dim);
  id = inv(127.0F, m);
  scale = scl(127.0F, m);
  std::memcpy(scales + 4 * (kPageTokens + slot), &scale, sizeof scale);
  for (std::uint32_t d = 0; d < head_dim; ++d) {
    values[slot / 2 * 2 * head_dim + 2 * d + slot % 2] =
        static_cast<std::byte>(static_cast<std::int32_t>(rne(v[d] * id)));
  }
}

struct QuantizedQuery {
  std::int8_t q[kHeadDimMax];
  float scale;
};

// Rules 7, 8, 10.
QuantizedQuery quantize_query(const AttentionTask& task, const QueryRow& row) {
  float q[kHeadDimMax];
  std::memcpy(q, row.q, task.head_dim * sizeof(float));
  if (row.cos_sin != nullptr) rope(q, row.cos_sin, task.rope_dims);
  hadamard(q, task.head_dim);
  const float m = max_abs(q, task.head_dim);
  const float id = inv(127.0F, m);
  QuantizedQuery query;
  query.scale = scl(127.0F, m) * task.score_scale;
  for (std::uint32_t d = 0; d < task.head_dim; ++d) query.q[d] = static_cast<std::int8_t>(rne(q[d] * id));
  return query;
}

// Rule 11: what one span contributes.
struct SpanResult {
  float m;
  float l;
  float o[kHeadDimMax];
};

SpanResult attend_span(const AttentionTask& task, const QuantizedQuery& query, std::uint32_t begin,
                       std::uint32_t count) {
  const std::uint32_t head_dim = task.head_dim;
  const auto page_of = [&](std::uint32_t j) { return task.pages + task.blocks[(begin + j) / 16] * task.block_bytes; };

  float score[kSpanTokens];
  float m = 0.0F;
  for (std::uint32_t j = 0; j < count; ++j) {
    const std::byte* page = page_of(j);
    std::int32_t isum = 0;
    for (std::uint32_t d = 0; d < head_dim; ++d) {
      isum += (std::to_integer<int>(page[d / 4 * 64 + j % 16 * 4 + d % 4]) - 128) * query.q[d];
    }
    const float k_scale = load_f32(page + 32 * head_dim, j % 16);
    score[j] = static_cast<float>(isum) * (k_scale * query.scale);
    m = j == 0 || score[j] > m ? score[j] : m;
  }

  float lanes[16] = {};
  float w[kSpanTokens];
  float w_max = 0.0F;
  for (std::uint32_t j = 0; j < count; ++j) {
    const float e = exp2x(score[j] - m);
    lanes[j % 16] += e;
    w[j] = e * load_f32(page_of(j) + 32 * head_dim, 16 + j % 16);
    w_max = w[j] > w_max ? w[j] : w_max;
  }

  std::int32_t sums[kHeadDimMax] = {};
  const float ip = inv(32767.0F, w_max);
  for (std::uint32_t j = 0; j < count; ++j) {
    const auto p = static_cast<std::int32_t>(rne(w[j] * ip));
    const std::byte* pair = page_of(j) + (16 + j % 16 / 2 * 2) * head_dim;
    for (std::uint32_t d = 0; d < head_dim; ++d) {
      sums[d] += p * static_cast<std::int8_t>(std::to_integer<std::uint8_t>(pair[2 * d + j % 2]));
    }
  }
  SpanResult span;
  span.m = m;
  span.l = tree16(lanes);
  const float p_scale = scl(32767.0F, w_max);
  for (std::uint32_t d = 0; d < head_dim; ++d) span.o[d] = static_cast<float>(sums[d]) * p_scale;
  return span;
}

void attend(const AttentionTask& task, const QueryRow& row) {
  const QuantizedQuery query = quantize_query(task, row);
  const std::uint32_t tokens = row.position + 1;
  SpanResult total = attend_span(task, query, 0, tokens < kSpanTokens ? tokens : kSpanTokens);
  for (std::uint32_t begin = kSpanTokens; begin < tokens; begin += kSpanTokens) {
    const std::uint32_t count = tokens - begin < kSpanTokens ? tokens - begin : kSpanTokens;
    const SpanResult next = attend_span(task, query, begin, count);
    const float m = next.m > total.m ? next.m : total.m;
    const float a = exp2x(total.m - m);
    const float b = exp2x(next.m - m);
    total.m = m;
    total.l = portable::fma(next.l, b, total.l * a);
    for (std::uint32_t d = 0; d < task.head_dim; ++d) total.o[d] = portable::fma(next.o[d], b, total.o[d] * a);
  }
  const float il = 1.0F / total.l;
  for (std::uint32_t d = 0; d < task.head_dim; ++d) row.out[d] = total.o[d] * il;
}

void attention(const AttentionTask& task) {
  for (std::uint32_t i = 0; i < task.count; ++i) attend(task, task.rows[i]);
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

const HostKernels kPortableKernels = {"portable", rmsnorm,  rmsnorm_quantize, quantize,  gemm,      silu_mul_rows,
                                      rope,       hadamard, append_kv,        attention, max_logit, exp2_of};

}  // namespace troupe
