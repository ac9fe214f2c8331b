#pragma once
// The merges of a BPE model: which pair of neighbouring tokens becomes which token, and how early.
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

inline constexpr std::uint32_t kNoMerge = 0xFFFFFFFFU;

struct Merge {
  std::uint32_t rank = kNoMerge;  // lower ranks are applied first
  TokenId product = -1;
};

// A flat hash table. Making it fails for more collisions in a row than honest merges ever have, so that a hostile file
// can make neither loading nor looking up slow.
class MergeTable {
 public:
  // kModelFile, naming the merge, when it is not "left right" or a part or the product is not a token.
  static Result<MergeTable> make(const std::vector<std::string>& merges, const Vocabulary& vocabulary);

  Merge find(TokenId left, TokenId right) const {
    std::uint64_t key = key_of(left, right);
    for (std::size_t at = slot_of(key);; at = (at + 1) & mask_) {
      if (slots_[at].key == key) return slots_[at].merge;
      if (slots_[at].key == kEmpty) return {};
    }
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kEmpty;
    Merge merge;
  };
  static std::uint64_t key_of(TokenId left, TokenId right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
  }
  std::size_t slot_of(std::uint64_t key) const {  // the upper half of a product has seen every bit of the key
    std::uint64_t mixed = (key ^ key >> 29) * 0x9E3779B97F4A7C15U;
    return static_cast<std::size_t>((mixed ^ mixed >> 32)) & mask_;
  }
  bool insert(std::uint64_t key, Merge merge);

  std::vector<Slot> slots_;
  std::size_t mask_ = 0;
};

}  // namespace troupe
