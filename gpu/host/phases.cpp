#include "gpu/host/phases.hpp"

#include <algorithm>

#include "runtime/check.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kClaimsPerThread = 8;  // enough that a thread which lost its core does not decide the phase
constexpr std::uint32_t kRowsAlone = 8;  // rows (0.2 us each) the caller does itself: handing them over costs 2 us

std::uint32_t ceil_div(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

// Splits `count` things into at most `claims` equal pieces, each a multiple of `unit`; returns a piece's size.
std::uint32_t piece_of(std::uint32_t count, std::uint32_t claims, std::uint32_t unit) {
  return std::max(ceil_div(ceil_div(count, claims), unit), 1U) * unit;
}

// fn(begin, end) over [0, count) in pieces. fn is copied into what the threads read and should hold values, not
// references: every line they have to fetch from this core costs them 0.3 us.
template <class Fn>
void run_pieces(ThreadPool& pool, std::uint32_t count, std::uint32_t piece, const Fn& fn) {
  alignas(64) const auto tile = [count, piece, fn](std::uint32_t index, std::uint32_t) {
    fn(index * piece, std::min(count, (index + 1) * piece));
  };
  pool.run(ceil_div(count, piece), tile);
}

std::uint32_t claims_of(const Host& host) { return host.pool.threads() * kClaimsPerThread; }

// fn(token) for all tokens; a piece ends with an activation tile when there are enough, so that threads do not share
// lines.
template <class Fn>
void for_each_token(const Host& host, std::uint32_t tokens, const Fn& fn) {
  if (tokens == 0) return;
  const std::uint32_t unit = tokens >= host.pool.threads() * kTokenTile ? kTokenTile : 1;
  const std::uint32_t piece = tokens <= kRowsAlone ? tokens : piece_of(tokens, claims_of(host), unit);
  run_pieces(host.pool, tokens, piece, [fn](std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t token = begin; token < end; ++token) fn(token);
  });
}

}  // namespace

void rmsnorm_quantize(const Host& host, RowsView x, const float* gain, std::uint32_t columns, float eps,
                      std::uint32_t tokens, ActivationBlock* out, const std::uint32_t* order) {
  const std::size_t tile_blocks = activation_blocks(columns);
  const auto kernel = host.kernels.rmsnorm_quantize;
  for_each_token(host, tokens, [=](std::uint32_t token) {
    const std::size_t row = order == nullptr ? token : order[token];
    kernel(x.data + row * x.stride, gain, columns, eps, out + token / kTokenTile * tile_blocks, token % kTokenTile);
  });
}

void rmsnorm(const Host& host, RowsView x, const float* gain, std::uint32_t columns, float eps, std::uint32_t tokens,
             float* out, std::size_t out_stride, const std::uint32_t* order) {
  const auto kernel = host.kernels.rmsnorm;
  for_each_token(host, tokens, [=](std::uint32_t token) {
    const std::size_t row = order == nullptr ? token : order[token];
    kernel(x.data + row * x.stride, gain, columns, eps, out + token * out_stride);
  });
}

void quantize(const Host& host, RowsView x, std::uint32_t columns, std::uint32_t tokens, ActivationBlock* out) {
  const std::size_t tile_blocks = activation_blocks(columns);
  const auto kernel = host.kernels.quantize;
  for_each_token(host, tokens, [=](std::uint32_t token) {
    kernel(x.data + token * x.stride, columns, out + token / kTokenTile * tile_blocks, token % kTokenTile);
  });
}

void linear(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
            const GemmOutput& out) {
  if (tokens == 0) return;
  const std::uint32_t piece = piece_of(w.tiles, claims_of(host), 2);
  if (has_codes(w.format)) {
    const auto kernel = host.kernels.gemm;
    const ActivationBlock* const codes = x.codes;
    run_pieces(host.pool, w.tiles, piece,
               [=](std::uint32_t begin, std::uint32_t end) { kernel(w, begin, end, codes, 0, tokens, out); });
    return;
  }
  const auto kernel = host.kernels.gemm_floats;
  const RowsView rows = x.rows;
  run_pieces(host.pool, w.tiles, piece, [=](std::uint32_t begin, std::uint32_t end) {
    kernel(w, begin, end, rows.data, rows.stride, 0, tokens, out);
  });
}

void append_kv(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, float* qkv,
               std::size_t qkv_stride, std::span<std::uint8_t> poisoned) {
  const AttentionShape& shape = plan.shape();
  const auto append = kv.layout.type == KvType::kInt8 ? host.kernels.append_kv : host.kernels.append_kv_halves;
  const std::size_t k_begin = std::size_t{shape.heads} * shape.head_dim;
  const std::size_t v_begin = k_begin + std::size_t{shape.kv_heads} * shape.head_dim;
  for_each_token(host, static_cast<std::uint32_t>(plan.rows().size()), [&](std::uint32_t token) {
    const AttentionPlan::Row& row = plan.rows()[token];
    std::byte* const block = kv.data + row.blocks[row.position / kPageTokens] * kv.layout.block_bytes();
    for (std::uint32_t head = 0; head < shape.kv_heads; ++head) {
      float* const k = qkv + token * qkv_stride + k_begin + std::size_t{head} * shape.head_dim;
      const float* const v = qkv + token * qkv_stride + v_begin + std::size_t{head} * shape.head_dim;
      if (shape.rope != nullptr) host.kernels.rope(k, shape.rope->row(row.position), shape.rope->dims());
      const std::uint32_t slot = row.position % kPageTokens;
      if (!append(block + kv.layout.page_offset(layer, head), slot, k, v, shape.head_dim)) poisoned[token] = 1;
    }
  });
}

void attention(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, RowsView qkv,
               float* out, std::size_t out_stride) {
  const AttentionShape& shape = plan.shape();
  const auto items = static_cast<std::uint32_t>(plan.items().size());
  const auto kernel = kv.layout.type == KvType::kInt8 ? host.kernels.attention : host.kernels.attend_halves;
  const auto attend = [&](const AttentionPlan::Item& item) {
    QueryRow rows[kQueryRowsMax];
    AttentionTask task;
    task.rows = rows;
    for (std::uint32_t t = 0; t < item.tokens; ++t) {
      const std::size_t row = item.first_row + t;
      const std::uint32_t position = plan.rows()[row].position;
      for (std::uint32_t h = 0; h < item.heads; ++h) {
        const std::size_t column = std::size_t{item.first_head + h} * shape.head_dim;
        rows[task.count++] = {qkv.data + row * qkv.stride + column,
                              shape.rope == nullptr ? nullptr : shape.rope->row(position),
                              out + row * out_stride + column, position};
      }
    }
    task.head_dim = shape.head_dim;
    task.rope_dims = shape.rope == nullptr ? 0 : shape.rope->dims();
    task.score_scale = shape.score_scale;
    task.pages = kv.data + kv.layout.page_offset(layer, item.kv_head);
    task.block_bytes = kv.layout.block_bytes();
    task.blocks = plan.rows()[item.first_row].blocks;
    task.window = shape.window;
    task.cap = shape.cap;
    if (item.span != kAllSpans) {
      task.span_begin = item.span;
      task.span_end = item.span + 1;
      task.partials = plan.partials() + item.partial;
    }
    kernel(task);
  };
  if (items == 0) return;
  // Small pieces: items differ in length.
  const std::uint32_t piece = piece_of(items, 4 * claims_of(host), 1);
  run_pieces(host.pool, items, piece, [&](std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t i = begin; i < end; ++i) attend(plan.items()[i]);
  });
  host.pool.run(static_cast<std::uint32_t>(plan.joins().size()), [&](std::uint32_t i, std::uint32_t) {
    const AttentionPlan::Join& join = plan.joins()[i];
    const std::uint32_t stride = partial_floats(shape.head_dim);
    const std::size_t rows = std::size_t{join.item.tokens} * join.item.heads;
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t row = join.item.first_row + r / join.item.heads;
      const std::size_t head = join.item.first_head + r % join.item.heads;
      host.kernels.join_spans(plan.partials() + join.item.partial + r * stride, rows * stride, join.spans,
                              shape.head_dim, out + row * out_stride + head * shape.head_dim);
    }
  });
}

}  // namespace troupe
