#include "text/tokenizer/bpe_merger.hpp"

#include <algorithm>

#include "runtime/check.hpp"

namespace troupe {

namespace {
constexpr TokenId kGone = -2;  // a symbol that was merged into its left neighbour
}

Merge BpeMerger::merge_of(TokenId left, TokenId right) const {
  return left < 0 || right < 0 ? Merge{} : merges_.find(left, right);
}

void BpeMerger::merge(std::vector<TokenId>& symbols) {
  if (symbols.size() < 2) return;
  symbols.size() <= kScanSymbolsMax ? merge_short(symbols) : merge_long(symbols);
}

void BpeMerger::merge_short(std::vector<TokenId>& symbols) {
  std::size_t count = symbols.size();
  pairs_.resize(count - 1);
  for (std::size_t i = 0; i + 1 < count; ++i) pairs_[i] = merge_of(symbols[i], symbols[i + 1]);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (pairs_[i].rank < pairs_[best].rank) best = i;
    }
    if (pairs_[best].rank == kNoMerge) break;
    symbols[best] = pairs_[best].product;
    std::copy(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 2,
              symbols.begin() + static_cast<std::ptrdiff_t>(count),
              symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    std::copy(pairs_.begin() + static_cast<std::ptrdiff_t>(best) + 1,
              pairs_.begin() + static_cast<std::ptrdiff_t>(count) - 1,
              pairs_.begin() + static_cast<std::ptrdiff_t>(best));
    --count;
    if (best > 0) pairs_[best - 1] = merge_of(symbols[best - 1], symbols[best]);
    if (best + 1 < count) pairs_[best] = merge_of(symbols[best], symbols[best + 1]);
  }
  symbols.resize(count);
}

void BpeMerger::merge_long(std::vector<TokenId>& symbols) {
  TROUPE_CHECK(symbols.size() < kNoMerge, "a word has less than 2^32 - 1 bytes");
  auto count = static_cast<std::uint32_t>(symbols.size());
  next_.resize(count), previous_.resize(count), heap_.clear();
  auto entry = [&](std::uint32_t left) -> std::uint64_t {
    return static_cast<std::uint64_t>(merge_of(symbols[left], symbols[next_[left]]).rank) << 32 | left;
  };
  auto has_merge = [](std::uint64_t e) { return e >> 32 != kNoMerge; };
  for (std::uint32_t i = 0; i < count; ++i) next_[i] = i + 1, previous_[i] = i - 1;
  for (std::uint32_t i = 0; i + 1 < count; ++i) {
    if (std::uint64_t e = entry(i); has_merge(e)) heap_.push_back(e);
  }
  std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
  auto push = [&](std::uint32_t left) {
    std::uint64_t e = entry(left);
    if (!has_merge(e)) return;
    heap_.push_back(e);
    std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
  };
  while (!heap_.empty()) {
    std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
    std::uint64_t best = heap_.back();
    heap_.pop_back();
    auto left = static_cast<std::uint32_t>(best);
    std::uint32_t right = next_[left];
    // An entry is stale when one of its symbols has merged since: the pair there now has another rank or none.
    if (symbols[left] == kGone || right == count) continue;
    Merge merge = merge_of(symbols[left], symbols[right]);
    if (merge.rank != best >> 32) continue;
    symbols[left] = merge.product;
    symbols[right] = kGone;
    next_[left] = next_[right];
    if (next_[left] < count) {
      previous_[next_[left]] = left;
      push(left);
    }
    if (left > 0) push(previous_[left]);
  }
  std::erase(symbols, kGone);
}

}  // namespace troupe
