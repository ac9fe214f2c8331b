// The phases around attention: K/V of the step's rows are stored, then every row attends.
#include <atomic>

#include "gpu/host/phases.hpp"
#include "gpu/host/pieces.hpp"

namespace troupe {

namespace {

// Stores K and V of one row and kv head: normalised, K rotated.
void append_head(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, const QkvRows& qkv,
                 std::uint32_t token, std::uint32_t kv_head) {
  const AttentionShape& shape = plan.shape();
  const auto append = kv.layout.type == KvType::kInt8 ? host.kernels.append_kv : host.kernels.append_kv_halves;
  const AttentionPlan::Row& row = plan.rows()[token];
  float* const k = qkv.data + token * qkv.stride + std::size_t{shape.heads + kv_head} * shape.head_dim;
  const float* const v = k + std::size_t{shape.kv_heads} * shape.head_dim;
  if (qkv.norms.k != nullptr) host.kernels.rmsnorm(k, qkv.norms.k, shape.head_dim, qkv.norms.eps, k);
  if (shape.rope != nullptr) host.kernels.rope(k, shape.rope->row(row.position), shape.rope->dims());
  std::byte* const block = kv.data + row.blocks[row.position / kPageTokens] * kv.layout.block_bytes();
  if (append(block + kv.layout.page_offset(layer, kv_head), row.position % kPageTokens, k, v, shape.head_dim)) return;
  std::atomic_ref(qkv.poisoned[token]).store(1, std::memory_order_relaxed);  // of several heads at once perhaps
}

void normalise_queries(const Host& host, const AttentionShape& shape, const QkvRows& qkv, std::uint32_t token,
                       std::uint32_t first_head, std::uint32_t heads) {
  if (qkv.norms.q == nullptr) return;
  float* q = qkv.data + token * qkv.stride + std::size_t{first_head} * shape.head_dim;
  for (; heads > 0; --heads, q += shape.head_dim)
    host.kernels.rmsnorm(q, qkv.norms.q, shape.head_dim, qkv.norms.eps, q);
}

}  // namespace

void append_kv(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, const QkvRows& qkv) {
  if (plan.appends_by_item()) return;
  const AttentionShape& shape = plan.shape();
  for_each_token(host, static_cast<std::uint32_t>(plan.rows().size()), [&](std::uint32_t token) {
    normalise_queries(host, shape, qkv, token, 0, shape.heads);
    for (std::uint32_t head = 0; head < shape.kv_heads; ++head) append_head(host, plan, kv, layer, qkv, token, head);
  });
}

void attention(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, const QkvRows& qkv,
               float* out, std::size_t out_stride, ActivationBlock* codes) {
  const AttentionShape& shape = plan.shape();
  // Who attends leaves the codes, too; not where a block would lie across two heads, nor of many tokens, for tiles of
  // them take less time when all heads are there.
  const auto all_rows = static_cast<std::uint32_t>(plan.rows().size());
  const bool in_passing = shape.head_dim % kBlockK == 0 && all_rows < kManyTokens * host.pool.threads();
  const CodesOfRows target(host.kernels, in_passing ? codes : nullptr, shape.heads * shape.head_dim);
  const auto put = [&](std::uint32_t row, std::uint32_t rows, std::uint32_t head, std::uint32_t heads) {
    const std::uint32_t first = head * shape.head_dim;
    if (target.codes == nullptr) return;
    target.put(out + row * out_stride + first, out_stride, row, row + rows, first, heads * shape.head_dim);
  };
  const auto items = static_cast<std::uint32_t>(plan.items().size());
  const auto kernel = kv.layout.type == KvType::kInt8 ? host.kernels.attention : host.kernels.attend_halves;
  const auto pages_of = [&](const AttentionPlan::Item& item) {
    const AttentionPlan::Row& row = plan.rows()[item.first_row];
    const std::uint32_t seen = first_visible(row.position, shape.window);
    const std::uint32_t begin = item.span == kAllSpans ? seen : std::max(seen, item.span * kSpanTokens);
    return PageRun{kv.data + kv.layout.page_offset(layer, item.kv_head), row.blocks, begin / kPageTokens,
                   row.position / kPageTokens + 1};
  };
  const auto attend = [&](std::uint32_t index) {
    const AttentionPlan::Item& item = plan.items()[index];
    if (plan.appends_by_item()) {
      normalise_queries(host, shape, qkv, item.first_row, item.first_head, item.heads);
      append_head(host, plan, kv, layer, qkv, item.first_row, item.kv_head);
    }
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
    const PageRun run = pages_of(item);
    task.pages = run.pages;
    task.block_bytes = kv.layout.block_bytes();
    task.blocks = run.blocks;
    // Many tokens of a sequence read the same pages one after the other.
    if (index + 1 < items && item.tokens == 1) task.next = pages_of(plan.items()[index + 1]);
    task.window = shape.window;
    task.cap = shape.cap;
    if (item.span != kAllSpans) {
      task.span_begin = item.span;
      task.span_end = item.span + 1;
      task.partials = plan.partials() + item.partial;
    }
    kernel(task);
    if (item.span == kAllSpans) put(item.first_row, item.tokens, item.first_head, item.heads);
  };
  if (items == 0) return;
  // Small pieces: items differ in length.
  const std::uint32_t piece = piece_of(items, host.pool.threads(), 4 * kClaimsPerThread, 1);
  run_pieces(host.pool, items, piece, [&](std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t i = begin; i < end; ++i) attend(i);
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
      put(static_cast<std::uint32_t>(row), 1, static_cast<std::uint32_t>(head), 1);
    }
  });
  if (codes == nullptr || target.codes != nullptr) return;
  const CodesOfRows whole(host.kernels, codes, target.columns);
  for_each_tokens(host, all_rows, [=](std::uint32_t begin, std::uint32_t end) {
    whole.put(out + begin * out_stride, out_stride, begin, end, 0, whole.columns);
  });
}

}  // namespace troupe
