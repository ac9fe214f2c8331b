#pragma once
// What the short words of one text became: natural text repeats them.
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/request.hpp"

namespace troupe {

class WordMemory {
 public:
  explicit WordMemory(std::vector<TokenId>& out) : out_(out) {}

  // Appends to `out` what `word` became before, or what encode(word) appends.
  template <class Encode>
  void encode(std::string_view word, Encode&& encode) {
    if (word.size() > kBytesMax) return encode(word);
    if (auto known = seen_.find(word); known != seen_.end()) {
      auto [begin, count] = known->second;
      for (std::size_t i = begin; i < begin + count; ++i) out_.push_back(TokenId{out_[i]});
      return;
    }
    std::size_t begin = out_.size();
    encode(word);
    if (seen_.size() < kWordsMax) remember(std::string(word), {begin, out_.size() - begin});
  }

 private:
  static constexpr std::size_t kBytesMax = 32;
  static constexpr std::size_t kWordsMax = 1U << 15;
  static constexpr std::size_t kCollisionsMax = 16;  // words made to collide are encoded each time instead

  void remember(std::string word, std::pair<std::size_t, std::size_t> tokens) {
    bool is_crowded = seen_.bucket_count() > 0 && seen_.bucket_size(seen_.bucket(word)) >= kCollisionsMax;
    if (!is_crowded) seen_.emplace(std::move(word), tokens);
  }

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>()(word); }
  };

  std::vector<TokenId>& out_;
  std::unordered_map<std::string, std::pair<std::size_t, std::size_t>, Hash, std::equal_to<>> seen_;  // begin, count
};

}  // namespace troupe
