// How a step's attention is cut into items that threads claim.
#include <algorithm>

#include "gpu/host/phases.hpp"
#include "runtime/check.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kItemsPerThread = 2;       // an item larger than this share of the step is split by spans
constexpr std::uint32_t kSpansWorthSplitting = 3;  // fewer: the heads of a group are split instead
// Of a thread, to leave room in a second cache for the weights that pass through it meanwhile.
constexpr std::size_t kBytesAheadMax = 256 * 1024;
constexpr std::uint32_t kBlocksAheadMax = 256;
constexpr std::uint64_t kPartialBytesMax = 64U << 20;

std::uint32_t ceil_div(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

}  // namespace

std::uint64_t AttentionPlan::partial_bytes(const AttentionShape& shape, std::uint32_t positions,
                                           std::uint32_t threads) {
  if (threads < 2) return 0;  // nothing is split
  const std::uint64_t rows = std::uint64_t{kItemsPerThread} * threads * kQueryRowsMax;
  const std::uint64_t bytes = rows * ceil_div(positions, kSpanTokens) * partial_floats(shape.head_dim) * sizeof(float);
  return std::min(bytes, kPartialBytesMax);
}

Result<AttentionPlan> AttentionPlan::make(const AttentionShape& shape, std::uint32_t rows_max, std::uint32_t positions,
                                          std::uint32_t threads) {
  TROUPE_CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0, "heads is a multiple of kv_heads");
  TROUPE_CHECK(shape.head_dim > 0 && shape.head_dim % 16 == 0 && shape.head_dim <= kHeadDimMax,
               "head_dim is a multiple of 16 up to 256");
  TROUPE_CHECK(shape.rope == nullptr || shape.rope->dims() <= shape.head_dim, "no more dims rotate than there are");
  auto partials = Storage::allocate(std::max<std::uint64_t>(partial_bytes(shape, positions, threads), 64));
  if (!partials) return partials.error();
  return AttentionPlan(shape, rows_max, threads, std::move(*partials));
}

AttentionPlan::AttentionPlan(const AttentionShape& shape, std::uint32_t rows_max, std::uint32_t threads,
                             Storage partials)
    : shape_(shape), rows_max_(rows_max), threads_(threads), partials_(std::move(partials)) {
  const std::uint32_t spans_max =
      threads < 2 ? 0 : static_cast<std::uint32_t>(partials_.size() / (partial_floats(shape.head_dim) * sizeof(float)));
  rows_.reserve(rows_max);
  appended_.reserve(rows_max);
  items_.reserve(std::size_t{rows_max} * shape.heads + spans_max);
  joins_.reserve(std::size_t{kItemsPerThread} * threads);
  blocks_.reserve(std::size_t{kBlocksAheadMax} * threads);
  blocks_end_.assign(threads + 1, 0);
}

// Whether no row sees a block that another one appends to: rows of one sequence do, those of several do not.
bool AttentionPlan::appends_to_own_blocks() {
  appended_.clear();
  for (const Row& row : rows_) appended_.push_back(row.blocks[row.position / kPageTokens]);
  std::sort(appended_.begin(), appended_.end());
  if (std::adjacent_find(appended_.begin(), appended_.end()) != appended_.end()) return false;
  return std::none_of(rows_.begin(), rows_.end(), [&](const Row& row) {
    const std::uint32_t* const seen = row.blocks + first_visible(row.position, shape_.window) / kPageTokens;
    return std::any_of(seen, row.blocks + row.position / kPageTokens, [&](std::uint32_t block) {
      return std::binary_search(appended_.begin(), appended_.end(), block);
    });
  });
}

// The blocks of the items of a thread's share (ThreadPool::run), in their order.
void AttentionPlan::list_blocks() {
  blocks_.clear();
  for (std::uint32_t thread = 0; thread < threads_; ++thread) {
    const std::size_t end = blocks_.size() + kBlocksAheadMax;
    const std::uint32_t* sequence = nullptr;
    for (std::size_t i = items_.size() * thread / threads_; i < items_.size() * (thread + 1) / threads_; ++i) {
      const Row& row = rows_[items_[i].first_row];
      if (row.blocks == sequence) continue;  // the other heads of what is listed
      sequence = row.blocks;
      const std::uint32_t last = row.position / kPageTokens;
      std::uint32_t page = first_visible(row.position, shape_.window) / kPageTokens;
      for (; page <= last && blocks_.size() < end; ++page) blocks_.push_back(row.blocks[page]);
    }
    blocks_end_[thread + 1] = static_cast<std::uint32_t>(blocks_.size());
  }
}

void AttentionPlan::fetch_ahead(const KvPool& kv, std::uint32_t layer, std::span<FetchAhead> ahead) const {
  const std::size_t bytes = kv.layout.kv_heads * kv.layout.page_bytes();
  const FetchAhead layer_ahead{kv.data + kv.layout.page_offset(layer, 0), kv.layout.block_bytes(), bytes};
  for (std::uint32_t thread = 0; thread < threads_; ++thread) {
    const std::uint32_t begin = blocks_end_[thread], count = blocks_end_[thread + 1] - begin;
    ahead[thread] = layer_ahead;
    ahead[thread].block = blocks_.data() + begin;
    ahead[thread].end = ahead[thread].block + std::min<std::size_t>(count, kBytesAheadMax / bytes);
  }
}

void AttentionPlan::build(std::span<const SequenceRows> sequences) {
  rows_.clear();
  items_.clear();
  joins_.clear();
  partials_used_ = 0;
  std::uint32_t rows = 0;
  for (const SequenceRows& sequence : sequences) {
    TROUPE_CHECK(sequence.first_row == rows, "sequences follow one another without a gap");
    TROUPE_CHECK(sequence.rows <= rows_max_ - rows, "more rows than were reserved");
    TROUPE_CHECK(shape_.rope == nullptr || sequence.position + sequence.rows <= shape_.rope->positions(),
                 "a position beyond the RoPE table");
    for (std::uint32_t i = 0; i < sequence.rows; ++i) rows_.push_back({sequence.position + i, sequence.blocks});
    rows += sequence.rows;
  }
  const std::uint32_t heads = heads_of_item(sequences);
  for (const SequenceRows& sequence : sequences) add_items(sequence, heads);
  split_long_items();
  appends_by_item_ = heads == shape_.heads / shape_.kv_heads && joins_.empty() &&
                     std::all_of(sequences.begin(), sequences.end(), [](const auto& s) { return s.rows == 1; }) &&
                     appends_to_own_blocks();
  // Longest first: a long one claimed last would be waited for. Equal ones stay in order.
  if (sequences.size() > 1 || !joins_.empty()) {
    std::sort(items_.begin(), items_.end(), [&](const Item& a, const Item& b) {
      if (cost_of(a) != cost_of(b)) return cost_of(a) > cost_of(b);
      if (a.first_row != b.first_row) return a.first_row < b.first_row;
      if (a.first_head != b.first_head) return a.first_head < b.first_head;
      return a.span < b.span;
    });
  }
  list_blocks();
}

// All heads of a group read K and V once when there is enough work without splitting the group.
std::uint32_t AttentionPlan::heads_of_item(std::span<const SequenceRows> sequences) const {
  const std::uint32_t group = shape_.heads / shape_.kv_heads;
  const bool scarce = rows_.size() * shape_.kv_heads < std::size_t{2} * threads_;
  const bool is_long = std::any_of(sequences.begin(), sequences.end(), [&](const SequenceRows& sequence) {
    const std::uint32_t end = sequence.position + sequence.rows;
    return (end - first_visible(sequence.position, shape_.window)) / kSpanTokens >= kSpansWorthSplitting;
  });
  return scarce && (!is_long || threads_ < 2) ? 1 : ceil_div(group, ceil_div(group, kQueryRowsMax));
}

void AttentionPlan::add_items(const SequenceRows& sequence, std::uint32_t heads_per_item) {
  const std::uint32_t group = shape_.heads / shape_.kv_heads;
  const std::uint32_t tokens_max = std::max(kQueryRowsMax / heads_per_item, 1U);
  for (std::uint32_t done = 0; done < sequence.rows;) {
    const std::uint32_t position = sequence.position + done;
    const std::uint32_t left_in_page = kPageTokens - position % kPageTokens;
    std::uint32_t tokens = std::min({tokens_max, left_in_page, sequence.rows - done});
    // No further than the first position that begins in the next span.
    const std::uint32_t seen = first_visible(position, shape_.window);
    if (position >= shape_.window) tokens = std::min(tokens, kSpanTokens - seen % kSpanTokens);
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

// Threads would wait for an item that is much of the step: its spans become items of their own.
void AttentionPlan::split_long_items() {
  if (threads_ < 2) return;
  std::uint64_t total = 0;
  for (const Item& item : items_) total += cost_of(item);
  const std::size_t count = items_.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (joins_.size() == joins_.capacity()) break;
    if (cost_of(items_[i]) * kItemsPerThread * threads_ <= total || !split(items_[i])) continue;
    items_[i].tokens = 0;  // taken over by its spans
  }
  std::erase_if(items_, [](const Item& item) { return item.tokens == 0; });
}

// false when it has one span only or there is no room for the shares.
bool AttentionPlan::split(const Item& item) {
  const std::uint32_t begin = span_begin_of(item), end = span_end_of(item);
  const std::size_t floats = std::size_t{item.tokens} * item.heads * partial_floats(shape_.head_dim);
  if (end - begin < 2 || partials_used_ + (end - begin) * floats > partials_.size() / sizeof(float)) return false;
  Item part = item;
  part.partial = partials_used_;
  joins_.push_back({part, end - begin});
  for (part.span = begin; part.span < end; ++part.span, part.partial += floats) items_.push_back(part);
  partials_used_ = part.partial;
  return true;
}

std::uint32_t AttentionPlan::span_begin_of(const Item& item) const {
  return first_visible(rows_[item.first_row].position, shape_.window) / kSpanTokens;
}

std::uint32_t AttentionPlan::span_end_of(const Item& item) const {
  return rows_[item.first_row].position / kSpanTokens + 1;
}

std::uint64_t AttentionPlan::operations() const {
  std::uint64_t positions = 0;
  for (const Row& row : rows_) positions += row.position + 1 - first_visible(row.position, shape_.window);
  return 4 * positions * shape_.heads * shape_.head_dim;
}

std::uint64_t AttentionPlan::bytes(const KvLayout& layout) const {
  std::uint64_t pages = 0;
  for (const Item& item : items_) pages += pages_of(item);
  return pages * layout.page_bytes();
}

// Query rows times pages.
std::uint64_t AttentionPlan::cost_of(const Item& item) const {
  return std::uint64_t{item.tokens} * item.heads * pages_of(item);
}

std::uint64_t AttentionPlan::pages_of(const Item& item) const {
  const std::uint32_t position = rows_[item.first_row].position;
  std::uint32_t begin = first_visible(position, shape_.window), end = position + 1;
  if (item.span != kAllSpans) {
    begin = std::max(begin, item.span * kSpanTokens);
    end = std::min(end, (item.span + 1) * kSpanTokens);
  }
  return ceil_div(end - begin, kPageTokens);
}

}  // namespace troupe
