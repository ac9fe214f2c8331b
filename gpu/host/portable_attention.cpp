// Rotation, the int8 cache and attention over it as code to be read (rules 7 to 11, 13).
#include "gpu/host/portable_attention.hpp"

#include <algorithm>
#include <cstring>

#include "gpu/host/kv_layout.hpp"
#include "gpu/host/portable_math.hpp"
#include "tensor/half.hpp"

namespace troupe::portable {
namespace {

float load_f32(const std::byte* bytes, std::uint32_t index) {
  float value = 0;
  std::memcpy(&value, bytes + 4 * index, sizeof value);
  return value;
}

bool all_finite(const float* values, std::uint32_t n) {
  return std::all_of(values, values + n, [](float value) { return std::isfinite(value); });
}
constexpr float kZeroHead[kHeadDimMax] = {};

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

float capped(const AttentionTask& task, float score) {
  return task.cap.limit > 0 ? soft_cap(score, task.cap.slope, task.cap.limit) : score;
}

// Positions [begin, end), all in one span.
SpanResult attend_span(const AttentionTask& task, const QuantizedQuery& query, std::uint32_t begin, std::uint32_t end) {
  const std::uint32_t head_dim = task.head_dim;
  const std::uint32_t span = begin / kSpanTokens * kSpanTokens;
  const auto page_of = [&](std::uint32_t j) { return task.pages + task.blocks[j / 16] * task.block_bytes; };

  float score[kSpanTokens];
  float m = 0.0F;
  for (std::uint32_t j = begin; j < end; ++j) {
    const std::byte* page = page_of(j);
    std::int32_t isum = 0;
    for (std::uint32_t d = 0; d < head_dim; ++d) {
      isum += (std::to_integer<int>(page[d / 4 * 64 + j % 16 * 4 + d % 4]) - 128) * query.q[d];
    }
    const float s = capped(task, static_cast<float>(isum) * (load_f32(page + 32 * head_dim, j % 16) * query.scale));
    score[j - span] = s;
    m = j == begin || s > m ? s : m;
  }

  float lanes[16] = {};
  float w[kSpanTokens];
  float w_max = 0.0F;
  for (std::uint32_t j = begin; j < end; ++j) {
    const float e = exp2x(score[j - span] - m);
    lanes[j % 16] += e;
    w[j - span] = e * load_f32(page_of(j) + 32 * head_dim, 16 + j % 16);
    w_max = w[j - span] > w_max ? w[j - span] : w_max;
  }

  std::int32_t sums[kHeadDimMax] = {};
  const float ip = inv(32767.0F, w_max);
  for (std::uint32_t j = begin; j < end; ++j) {
    const auto p = static_cast<std::int32_t>(rne(w[j - span] * ip));
    const std::byte* pair = page_of(j) + (16 + j % 16 / 2 * 2) * head_dim;
    for (std::uint32_t d = 0; d < head_dim; ++d) {
      sums[d] += p * static_cast<std::int8_t>(std::to_integer<std::uint8_t>(pair[2 * d + j % 2]));
    }
  }
  SpanResult result;
  result.m = m;
  result.l = tree16(lanes);
  const float p_scale = scl(32767.0F, w_max);
  for (std::uint32_t d = 0; d < head_dim; ++d) result.o[d] = static_cast<float>(sums[d]) * p_scale;
  return result;
}

float half_at(const std::byte* bytes, std::size_t index) {
  std::uint16_t half = 0;
  std::memcpy(&half, bytes + 2 * index, sizeof half);
  return f16_to_f32(half);
}

// The same over halves.
SpanResult attend_half_span(const AttentionTask& task, const float* q, std::uint32_t begin, std::uint32_t end) {
  const std::uint32_t head_dim = task.head_dim;
  const std::uint32_t span = begin / kSpanTokens * kSpanTokens;
  const auto page_of = [&](std::uint32_t j) { return task.pages + task.blocks[j / 16] * task.block_bytes; };
  float score[kSpanTokens];
  SpanResult result{};
  for (std::uint32_t j = begin; j < end; ++j) {
    float s = 0.0F;
    for (std::uint32_t d = 0; d < head_dim; ++d) s = fma(half_at(page_of(j), 16 * d + j % 16), q[d], s);
    s = capped(task, s);
    score[j - span] = s;
    result.m = j == begin || s > result.m ? s : result.m;
  }
  float lanes[16] = {};
  for (std::uint32_t j = begin; j < end; ++j) {
    const float e = exp2x(score[j - span] - result.m);
    lanes[j % 16] += e;
    const std::byte* values = page_of(j) + std::size_t{32} * head_dim;
    for (std::uint32_t d = 0; d < head_dim; ++d) {
      result.o[d] = fma(e, half_at(values, std::size_t{j % 16} * head_dim + d), result.o[d]);
    }
  }
  result.l = tree16(lanes);
  return result;
}

std::uint16_t to_half(float value) {
  constexpr float kMax = 65504.0F;  // of f16
  return f32_to_f16(std::fmin(std::fmax(value, -kMax), kMax));
}

float* partial_of(const AttentionTask& task, std::uint32_t row) {
  return task.partials == nullptr ? nullptr : task.partials + std::size_t{row} * partial_floats(task.head_dim);
}

void join(const SpanResult& next, std::uint32_t head_dim, SpanResult& total) {
  const float m = next.m > total.m ? next.m : total.m;
  const float a = exp2x(total.m - m);
  const float b = exp2x(next.m - m);
  total.m = m;
  total.l = fma(next.l, b, total.l * a);
  for (std::uint32_t d = 0; d < head_dim; ++d) total.o[d] = fma(next.o[d], b, total.o[d] * a);
}

void finish(const SpanResult& total, std::uint32_t head_dim, float* out) {
  const float il = 1.0F / total.l;
  for (std::uint32_t d = 0; d < head_dim; ++d) out[d] = total.o[d] * il;
}

// span_of(begin, end): what the positions of one span give.
template <class SpanOf>
void attend(const AttentionTask& task, const QueryRow& row, float* partial, const SpanOf& span_of) {
  SpanResult total{};
  bool any = false;
  for (std::uint32_t span = task.span_begin; span < task.span_end && span * kSpanTokens <= row.position; ++span) {
    const std::uint32_t begin = std::max(span * kSpanTokens, first_visible(row.position, task.window));
    const std::uint32_t end = std::min((span + 1) * kSpanTokens, row.position + 1);
    if (begin >= end) continue;
    const SpanResult next = span_of(begin, end);
    if (any) join(next, task.head_dim, total);
    if (!any) total = next;
    any = true;
  }
  if (partial == nullptr) {
    finish(total, task.head_dim, row.out);
    return;
  }
  std::memcpy(partial, total.o, task.head_dim * sizeof(float));
  partial[task.head_dim] = total.m;
  partial[task.head_dim + 1] = total.l;
}

}  // namespace

// Rule 7.
void rope(float* v, const float* cos_sin, std::uint32_t dims) {
  const std::uint32_t half = dims / 2;
  for (std::uint32_t i = 0; i < half; ++i) {
    const float a = v[i];
    const float b = v[i + half];
    const float c = cos_sin[i];
    const float s = cos_sin[half + i];
    v[i] = fma(a, c, -(b * s));
    v[i + half] = fma(a, s, b * c);
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
bool append_kv(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim) {
  const bool finite = all_finite(k, head_dim) && all_finite(v, head_dim);
  if (!finite) k = v = kZeroHead;
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
  return finite;
}

void attention(const AttentionTask& task) {
  for (std::uint32_t i = 0; i < task.count; ++i) {
    const QuantizedQuery query = quantize_query(task, task.rows[i]);
    attend(task, task.rows[i], partial_of(task, i),
           [&](std::uint32_t begin, std::uint32_t end) { return attend_span(task, query, begin, end); });
  }
}

bool append_kv_halves(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim) {
  const bool finite = all_finite(k, head_dim) && all_finite(v, head_dim);
  if (!finite) k = v = kZeroHead;
  for (std::uint32_t d = 0; d < head_dim; ++d) {
    const std::uint16_t halves[2] = {to_half(k[d]), to_half(v[d])};
    std::memcpy(page + 2 * (16 * d + slot), &halves[0], 2);
    std::memcpy(page + 2 * (std::size_t{16} * head_dim + slot * head_dim + d), &halves[1], 2);
  }
  return finite;
}

void attend_halves(const AttentionTask& task) {
  for (std::uint32_t i = 0; i < task.count; ++i) {
    float q[kHeadDimMax];
    std::memcpy(q, task.rows[i].q, task.head_dim * sizeof(float));
    if (task.rows[i].cos_sin != nullptr) rope(q, task.rows[i].cos_sin, task.rope_dims);
    for (std::uint32_t d = 0; d < task.head_dim; ++d) q[d] = q[d] * task.score_scale;
    attend(task, task.rows[i], partial_of(task, i),
           [&](std::uint32_t begin, std::uint32_t end) { return attend_half_span(task, q, begin, end); });
  }
}

void join_spans(const float* partials, std::size_t stride, std::uint32_t spans, std::uint32_t head_dim, float* out) {
  SpanResult total{};
  for (std::uint32_t span = 0; span < spans; ++span, partials += stride) {
    SpanResult next{partials[head_dim], partials[head_dim + 1], {}};
    std::memcpy(next.o, partials, head_dim * sizeof(float));
    if (span > 0) join(next, head_dim, total);
    if (span == 0) total = next;
  }
  finish(total, head_dim, out);
}

}  // namespace troupe::portable
