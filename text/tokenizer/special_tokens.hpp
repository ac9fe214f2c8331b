#pragma once
// Finds the special tokens of a vocabulary in text: from left to right, at each place the longest one.
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "text/marked_text.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

// One comparison per byte and level: searching costs at most this many steps a byte.
inline constexpr std::size_t kSpecialTokenBytesMax = 256;

class SpecialTokens {
 public:
  static Result<SpecialTokens> make(const Vocabulary& vocabulary);

  struct Match {
    std::size_t begin = 0;
    std::size_t end = 0;  // equal to begin when there is no match up to the end of the text
    TokenId token = -1;
  };
  // The first match at or after `from`. Control and unknown tokens are text unless `parse_special`, and where they
  // overlap one of `marks` (ascending, apart).
  Match find(std::string_view text, std::size_t from, bool parse_special, std::span<const ByteRange> marks = {}) const;

 private:
  struct Node {                                                     // of a trie over bytes
    std::vector<std::pair<unsigned char, std::uint32_t>> children;  // ascending
    TokenId token = -1;
    bool hidden = false;  // control or unknown
  };
  const Node* child(const Node& node, unsigned char byte) const;

  std::vector<Node> nodes_;
  std::uint32_t root_[256] = {};  // first level; 0 = no token starts with this byte
};

}  // namespace troupe
