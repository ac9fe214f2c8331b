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

void quantize(const Host& host, RowsView x, std::uint32_t columns, std::uint32_t tokens, ActivationBlock* out) {
  const std::size_t tile_blocks = activation_blocks(columns);
  const auto kernel = host.kernels.quantize;
  for_each_token(host, tokens, [=](std::uint32_t token) {
    kernel(x.data + token * x.stride, columns, out + token / kTokenTile * tile_blocks, token % kTokenTile);
  });
}

void linear(const Host& host, const PackedMatrix& w, const ActivationBlock* x, std::uint32_t tokens,
            const GemmOutput& out) {
  if (tokens == 0) return;
  const std::uint32_t piece = piece_of(w.tiles, claims_of(host), 2);
  const auto kernel = host.kernels.gemm;
  run_pieces(host.pool, w.tiles, piece,
             [=](std::uint32_t begin, std::uint32_t end) { kernel(w, begin, end, x, 0, tokens, out); });
}

AttentionPlan::AttentionPlan(const AttentionShape& shape, std::uint32_t rows_max) : shape_(shape), rows_max_(rows_max) {
  TROUPE_CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0, "heads is a multiple of kv_heads");
  TROUPE_CHECK(shape.head_dim > 0 && shape.head_dim % 16 == 0 && shape.head_dim <= kHeadDimMax,
               "head_dim is a multiple of 16 up to 256");
  TROUPE_CHECK(shape.rope == nullptr || shape.rope->dims() <= shape.head_dim, "no more dims rotate than there are");
  rows_.reserve(rows_max);
  items_.reserve(std::size_t{rows_max} * shape.heads);
}

void AttentionPlan::build(std::span<const SequenceRows> sequences, std::uint32_t threads) {
  rows_.clear();
  items_.clear();
  const std::uint32_t group = shape_.heads / shape_.kv_heads;
  std::uint32_t rows = 0;
  for (const SequenceRows& sequence : sequences) {
    TROUPE_CHECK(sequence.first_row == rows, "sequences follow one another without a gap");
    TROUPE_CHECK(sequence.rows <= rows_max_ - rows, "more rows than were reserved");
    TROUPE_CHECK(shape_.rope == nullptr || sequence.position + sequence.rows <= shape_.rope->positions(),
                 "a position beyond the RoPE table");
    for (std::uint32_t i = 0; i < sequence.rows; ++i) rows_.push_back({sequence.position + i, sequence.blocks});
    rows += sequence.rows;
  }
  // All heads of a group read K and V once when there is enough work without splitting the group.
  const bool scarce = rows * shape_.kv_heads < 2 * threads;
  const std::uint32_t heads_per_item = scarce ? 1 : ceil_div(group, ceil_div(group, kQueryRowsMax));
  for (const SequenceRows& sequence : sequences) add_items(sequence, heads_per_item);
  // Longest first: a long one claimed last would be waited for. Equal ones stay in order.
  const auto end_of = [&](const Item& item) { return rows_[item.first_row].position; };
  if (sequences.size() > 1) {
    std::sort(items_.begin(), items_.end(), [&](const Item& a, const Item& b) {
      if (end_of(a) != end_of(b)) return end_of(a) > end_of(b);
      if (a.first_row != b.first_row) return a.first_row < b.first_row;
      return a.first_head < b.first_head;
    });
  }
}

void AttentionPlan::add_items(const SequenceRows& sequence, std::uint32_t heads_per_item) {
  const std::uint32_t group = shape_.heads / shape_.kv_heads;
  const std::uint32_t tokens_max = std::max(kQueryRowsMax / heads_per_item, 1U);
  for (std::uint32_t done = 0; done < sequence.rows;) {
    const std::uint32_t position = sequence.position + done;
    const std::uint32_t left_in_page = kPageTokens - position % kPageTokens;
    const std::uint32_t tokens = std::min({tokens_max, left_in_page, sequence.rows - done});
    for (std::uint32_t kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
      for (std::uint32_t head = 0; head < group; head += heads_per_item) {
        Item item;
        item.first_row = sequence.first_row + done;
        item.tokens = static_cast<std::uint16_t>(tokens);
        item.kv_head = static_cast<std::uint16_t>(kv_head);
        item.first_head = static_cast<std::uint16_t>(kv_head * group + head);
        item.heads = static_cast<std::uint16_t>(std::min(heads_per_item, group - head));
        items_.push_back(item);
      }
    }
    done += tokens;
  }
}

void append_kv(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, float* qkv,
               std::size_t qkv_stride) {
  const AttentionShape& shape = plan.shape();
  const std::size_t k_begin = std::size_t{shape.heads} * shape.head_dim;
  const std::size_t v_begin = k_begin + std::size_t{shape.kv_heads} * shape.head_dim;
  for_each_token(host, static_cast<std::uint32_t>(plan.rows().size()), [&](std::uint32_t token) {
    const AttentionPlan::Row& row = plan.rows()[token];
    std::byte* const block = kv.data + row.blocks[row.position / kPageTokens] * kv.layout.block_bytes();
    for (std::uint32_t head = 0; head < shape.kv_heads; ++head) {
      float* const k = qkv + token * qkv_stride + k_begin + std::size_t{head} * shape.head_dim;
      const float* const v = qkv + token * qkv_stride + v_begin + std::size_t{head} * shape.head_dim;
      if (shape.rope != nullptr) host.kernels.rope(k, shape.rope->row(row.position), shape.rope->dims());
      host.kernels.append_kv(block + kv.layout.page_offset(layer, head), row.position % kPageTokens, k, v,
                             shape.head_dim);
    }
  });
}

void attention(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, RowsView qkv,
               float* out, std::size_t out_stride) {
  const AttentionShape& shape = plan.shape();
  const auto items = static_cast<std::uint32_t>(plan.items().size());
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
    host.kernels.attention(task);
  };
  if (items == 0) return;
  // Small pieces: items differ in length.
  const std::uint32_t piece = piece_of(items, 4 * claims_of(host), 1);
  run_pieces(host.pool, items, piece, [&](std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t i = begin; i < end; ++i) attend(plan.items()[i]);
  });
}

}  // namespace troupe
