#pragma once
// From the hash of a KV block's content to the block: open addressing, at most half full, allocated once. Hashes are
// compared whole; where a search starts is derived from 8 bytes of the SHA-256 under a multiplier that is drawn anew
// for each table, so that a client cannot choose prompts whose blocks all meet in one place.
#include <bit>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "runtime/kv_manager.hpp"

namespace troupe {

class BlockTable {
 public:
  // `hashes[block]` belongs to the caller, outlives the table and does not move.
  explicit BlockTable(std::span<const BlockHash> hashes)
      : hashes_(hashes), slots_(std::bit_ceil(2 * hashes.size() + 2), kNoIndex), multiplier_(draw_multiplier()) {}

  BlockId find(const BlockHash& hash) const {  // kNoIndex: not here
    std::size_t slot = start_of(hash);
    while (slots_[slot] != kNoIndex && hashes_[slots_[slot]] != hash) slot = after(slot);
    return slots_[slot];
  }

  void insert(BlockId block) {  // its hash is not in the table
    std::size_t slot = start_of(hashes_[block]);
    while (slots_[slot] != kNoIndex) slot = after(slot);
    slots_[slot] = block;
  }

  // Closes the gap by moving back what would no longer be found behind it (Knuth, volume 3, 6.4, algorithm R).
  void erase(BlockId block) {
    std::size_t gap = start_of(hashes_[block]);
    while (slots_[gap] != block) gap = after(gap);
    for (std::size_t slot = after(gap); slots_[slot] != kNoIndex; slot = after(slot)) {
      if (distance(start_of(hashes_[slots_[slot]]), slot) < distance(gap, slot)) continue;
      slots_[gap] = slots_[slot];
      gap = slot;
    }
    slots_[gap] = kNoIndex;
  }

 private:
  static std::uint64_t draw_multiplier() {
    std::random_device device;
    return (std::uint64_t{device()} << 32U | device()) | 1U;
  }
  std::size_t start_of(const BlockHash& hash) const {
    std::uint64_t word = 0;
    std::memcpy(&word, hash.data(), sizeof(word));
    return static_cast<std::size_t>(word * multiplier_ >> 32U) & (slots_.size() - 1);
  }
  std::size_t after(std::size_t slot) const { return (slot + 1) & (slots_.size() - 1); }
  std::size_t distance(std::size_t from, std::size_t to) const { return (to - from) & (slots_.size() - 1); }

  std::span<const BlockHash> hashes_;
  std::vector<BlockId> slots_;  // a power of two of them
  std::uint64_t multiplier_;
};

}  // namespace troupe
