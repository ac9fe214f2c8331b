#pragma once
// The phases of a forward pass, each split over the pool and done when it returns. A layer is:
//   rmsnorm_quantize, linear (q/k/v), append_kv (unless attention does so), attention, linear (o, kAdd),
//   rmsnorm_quantize, linear_quantize (gate/up, kSiluMul), linear (down, kAdd)
// with rmsnorm in place of rmsnorm_quantize where the weights are floats. What is quantised is so where it was
// produced, by the thread that has it in its cache.
// How a phase is split changes nothing in its result.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/host/kernels.hpp"
#include "gpu/host/kv_layout.hpp"
#include "gpu/host/rope_table.hpp"
#include "gpu/host/thread_pool.hpp"
#include "tensor/storage.hpp"

namespace troupe {

struct Host {
  ThreadPool& pool;
  const HostKernels& kernels;
};

// Rows of floats: row i at data + i * stride; stride a multiple of 16.
struct RowsView {
  const float* data = nullptr;
  std::size_t stride = 0;
};

// Token i of the activations is row i of x, or row order[i] when order is given (the rows that sample, for the head).
void rmsnorm_quantize(const Host& host, RowsView x, const float* gain, std::uint32_t columns, float eps,
                      std::uint32_t tokens, ActivationBlock* out, const std::uint32_t* order = nullptr);
void rmsnorm(const Host& host, RowsView x, const float* gain, std::uint32_t columns, float eps, std::uint32_t tokens,
             float* out, std::size_t out_stride, const std::uint32_t* order = nullptr);
// x[:] += rmsnorm(y[:]): a norm behind a layer. y is overwritten.
void add_rmsnorm(const Host& host, float* y, std::size_t y_stride, const float* gain, std::uint32_t columns, float eps,
                 std::uint32_t tokens, float* x, std::size_t x_stride);
// h = silu(gate) * up or gelu(gate) * up where they are two matrices; h may be gate. codes: h quantised, or nullptr.
void gate_mul(const Host& host, Epilogue how, RowsView gate, RowsView up, std::uint32_t columns, std::uint32_t tokens,
              float* h, std::size_t h_stride, ActivationBlock* codes);

// What a matrix is multiplied with: codes for formats that have codes, rows for floats.
struct LinearInput {
  const ActivationBlock* codes = nullptr;
  RowsView rows;
};

// y = w x for all rows of w and all tokens, with its epilogue.
void linear(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens, const GemmOutput& out);
// The same, and y quantised into `codes`, which x may not be. The number of columns of y is a multiple of 32.
void linear_quantize(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                     const GemmOutput& out, ActivationBlock* codes);

// The largest of a row of logits, and whether all of them are finite (if not, the rest means nothing).
struct LogitsPeak {
  MaxLogit best;
  bool finite = true;
};
LogitsPeak peak_of(const HostKernels& kernels, std::span<const float> logits);

// The head: y = cap(w x) and the peak of each row. pieces: [logits_pieces_max(threads)][tokens], for itself.
constexpr std::uint32_t kClaimsPerThread = 8;  // enough that a thread which lost its core does not decide the phase
constexpr std::uint32_t logits_pieces_max(std::uint32_t threads) { return threads * kClaimsPerThread; }
void linear_logits(const Host& host, const PackedMatrix& w, const LinearInput& x, std::uint32_t tokens,
                   const GemmOutput& out, SoftCap cap, LogitsPeak* pieces, LogitsPeak* peaks);

struct AttentionShape {
  std::uint32_t heads = 0;  // a multiple of kv_heads
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;       // multiple of 16, <= 256
  float score_scale = 0.0F;         // score_scale(head_dim)
  const RopeTable* rope = nullptr;  // nullptr: none
  std::uint32_t window = 0;         // positions a token sees, its own included; 0: all
  SoftCap cap;                      // of scores
};

// Consecutive rows of the step that belong to one sequence.
struct SequenceRows {
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;
  std::uint32_t position = 0;             // of the first row
  const std::uint32_t* blocks = nullptr;  // block table up to the last row's position; must outlive the plan's use
};

struct KvPool {
  KvLayout layout;
  std::byte* data = nullptr;  // [blocks] of layout.block_bytes()
};

// What rows attend to, worked out once a step and used by every layer. Everything is allocated by make(): for steps of
// up to `rows_max` rows at positions below `positions`.
class AttentionPlan {
 public:
  static Result<AttentionPlan> make(const AttentionShape& shape, std::uint32_t rows_max, std::uint32_t positions,
                                    std::uint32_t threads);
  // Of what make() allocates for the shares of spans.
  static std::uint64_t partial_bytes(const AttentionShape& shape, std::uint32_t positions, std::uint32_t threads);
  void build(std::span<const SequenceRows> sequences);

  struct Row {
    std::uint32_t position = 0;
    const std::uint32_t* blocks = nullptr;
  };
  // `heads` heads from first_head on (all of one kv head) for `tokens` rows from first_row on (all in one page, with
  // first visible positions in one span), over all spans they see or over one of them.
  struct Item {
    std::uint32_t first_row = 0;
    std::uint16_t tokens = 0;
    std::uint16_t kv_head = 0;
    std::uint16_t first_head = 0;
    std::uint16_t heads = 0;
    std::uint32_t span = kAllSpans;
    std::size_t partial = 0;  // with a span: where its rows' shares begin in partials()
  };
  // An item that was split: the shares of its spans [span_begin, span_end) lie one after the other from
  // item.partial on.
  struct Join {
    Item item;
    std::uint32_t spans = 0;
  };
  std::span<const Row> rows() const { return rows_; }
  std::span<const Item> items() const { return items_; }
  std::span<const Join> joins() const { return joins_; }
  // Each item is all that reads what its row appends: it can do so itself, which saves a phase.
  bool appends_by_item() const { return appends_by_item_; }
  float* partials() const { return partials_.as<float>(); }
  // Of one layer's attention, for who measures: multiplications and additions, and K/V bytes read.
  std::uint64_t operations() const;
  std::uint64_t bytes(const KvLayout& layout) const;
  const AttentionShape& shape() const { return shape_; }
  // ahead[thread]: what each thread will read first of a layer's K/V.
  void fetch_ahead(const KvPool& kv, std::uint32_t layer, std::span<FetchAhead> ahead) const;

 private:
  AttentionPlan(const AttentionShape& shape, std::uint32_t rows_max, std::uint32_t threads, Storage partials);
  std::uint32_t heads_of_item(std::span<const SequenceRows> sequences) const;
  void add_items(const SequenceRows& sequence, std::uint32_t heads_per_item);
  void split_long_items();
  bool appends_to_own_blocks();
  void list_blocks();
  bool split(const Item& item);
  std::uint32_t span_begin_of(const Item& item) const;
  std::uint32_t span_end_of(const Item& item) const;
  std::uint64_t cost_of(const Item& item) const;
  std::uint64_t pages_of(const Item& item) const;

  AttentionShape shape_;
  std::uint32_t rows_max_;
  std::uint32_t threads_;
  std::vector<Row> rows_;
  std::vector<std::uint32_t> appended_;  // the blocks rows append to, in order
  std::vector<Item> items_;
  std::vector<Join> joins_;
  bool appends_by_item_ = false;
  std::vector<std::uint32_t> blocks_;      // that threads will read, one thread's after the other's
  std::vector<std::uint32_t> blocks_end_;  // [threads + 1]
  Storage partials_;
  std::size_t partials_used_ = 0;  // floats
};

// Norms of each head of q and k, before they rotate: [head_dim]; nullptr: none.
struct HeadNorms {
  const float* q = nullptr;
  const float* k = nullptr;
  float eps = 0.0F;
};

// Q, K and V of the step's rows: [heads * head_dim | kv_heads * head_dim | kv_heads * head_dim].
struct QkvRows {
  float* data = nullptr;
  std::size_t stride = 0;
  HeadNorms norms;
  std::span<std::uint8_t> poisoned;  // [row]: set to 1 where K or V is not finite
};

// append_kv normalises Q and K and rotates K in place and stores K and V of all rows: not where
// plan.appends_by_item(), for then attention does so. attention must come after it and writes out rows
// [heads * head_dim], and their codes where `codes` is not nullptr.
void append_kv(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, const QkvRows& qkv);
void attention(const Host& host, const AttentionPlan& plan, const KvPool& kv, std::uint32_t layer, const QkvRows& qkv,
               float* out, std::size_t out_stride, ActivationBlock* codes);

}  // namespace troupe
