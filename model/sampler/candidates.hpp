#pragma once
// Tokens in the order sampling considers them: weight descending, index ascending. Sorted lazily from the front,
// because most draws end among the first few of a vocabulary. Uses memory handed in.
#include <cstdint>
#include <span>

namespace troupe {

class Candidates {
 public:
  // Takes every token of at least `weight_min` (>= 1). `storage` has room for all of `weights`.
  Candidates(std::span<const std::uint32_t> weights, std::uint32_t weight_min, std::span<std::uint64_t> storage);

  std::size_t size() const { return keys_.size(); }
  std::uint64_t total() const { return total_; }  // sum of all weights
  std::uint32_t weight(std::size_t i) { return ~static_cast<std::uint32_t>(key(i) >> 32); }
  // The first `count`, all in order; they may be overwritten.
  std::span<std::uint64_t> first(std::size_t count) {
    if (count > 0) key(count - 1);
    return keys_.first(count);
  }
  std::uint32_t token(std::size_t i) { return static_cast<std::uint32_t>(key(i)); }

 private:
  std::uint64_t key(std::size_t i) {
    if (i >= sorted_) sort_through(i);
    return keys_[i];
  }
  void sort_through(std::size_t i);

  std::span<std::uint64_t> keys_;  // inverted weight in the high half, token in the low: ascending is our order
  std::size_t sorted_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace troupe
