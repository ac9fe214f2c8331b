#pragma once
// Finds the special tokens of a vocabulary in text: from left to right, at each place the longest one. As Hugging Face
// does in one pass over all of them (llama.cpp goes token by token: "ab", "bcd" in "abcd" are a, bcd there, ab, cd
// here).
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
inline constexpr std::size_t kSpecialNodesMax = 1U << 22;  // of the trie; Gemma's 6,415 special tokens have some 30,000

class SpecialTokens {
 public:
  // The ids: tokens that swallow the white space before or after them.
  static Result<SpecialTokens> make(const Vocabulary& vocabulary, const std::vector<std::uint32_t>& strip_left_ids = {},
                                    const std::vector<std::uint32_t>& strip_right_ids = {});

  struct Match {
    std::size_t begin = 0;  // with the white space the token swallows
    std::size_t end = 0;    // equal to begin when there is no match up to the end of the text
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
    bool strips_left = false;
    bool strips_right = false;
  };
  const Node* child(const Node& node, unsigned char byte) const;
  std::uint32_t child_or_new(std::uint32_t node, unsigned char byte);

  std::vector<Node> nodes_;
  std::uint32_t root_[256] = {};  // first level; 0 = no token starts with this byte
};

}  // namespace troupe
