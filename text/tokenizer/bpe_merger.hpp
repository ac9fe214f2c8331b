#pragma once
// Byte-pair merging of one word: the neighbouring pair of the lowest rank becomes one token, the leftmost first among
// equals, until no pair is left.
#include <cstdint>
#include <functional>
#include <queue>
#include <string_view>
#include <vector>

#include "text/tokenizer/merge_table.hpp"

namespace troupe {

// Scratch space for one caller. Short words scan for the best pair, long ones use a heap over a linked list: n log n,
// so that a megabyte of one letter is no attack.
class BpeMerger {
 public:
  explicit BpeMerger(const MergeTable& merges) : merges_(merges) {}

  // Merges `symbols` in place. A negative symbol (a byte the vocabulary lacks) merges with nothing.
  void merge(std::vector<TokenId>& symbols);

 private:
  static constexpr std::size_t kScanSymbolsMax = 32;

  void merge_short(std::vector<TokenId>& symbols);
  void merge_long(std::vector<TokenId>& symbols);
  Merge merge_of(TokenId left, TokenId right) const;

  const MergeTable& merges_;
  std::vector<Merge> pairs_;         // short: pairs_[i] joins symbols i and i + 1
  std::vector<std::uint64_t> heap_;  // long: rank << 32 | position of the left symbol, smallest on top
  std::vector<std::uint32_t> next_;  // long: position of the next living symbol
  std::vector<std::uint32_t> previous_;
};

}  // namespace troupe
