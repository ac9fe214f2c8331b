#pragma once
// What becomes of a character that is not a token: the tokens <0xHH> of its bytes, or the unknown token.
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "text/tokenizer/tokenizer_spec.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

// The token that stands for what the vocabulary lacks, when the model has one of that type. SmolLM2 names
// <|endoftext|>, a control token, as its unknown token: users' text must not turn into that.
std::optional<TokenId> unknown_token(const TokenizerSpec& spec, const Vocabulary& vocabulary);

class ByteFallback {
 public:
  ByteFallback(const TokenizerSpec& spec, const Vocabulary& vocabulary);

  // Appends the tokens of all bytes of `character`; when one is missing the unknown token, once for several characters
  // in a row within one word (which begins at `begin` in `out`); when that is missing too, nothing.
  void append(std::string_view character, std::size_t begin, std::vector<TokenId>& out) const;

 private:
  std::array<std::optional<TokenId>, 256> bytes_;
  std::optional<TokenId> unknown_;
};

}  // namespace troupe
