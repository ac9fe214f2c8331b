#pragma once
// Cuts text into the pieces ("words") within which byte-level BPE merges. Hand-written scanners, equal to the regular
// expressions the tokenizers were published with; each reads its text a fixed number of times, from left to right.
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace troupe {

enum class Splitter : std::uint8_t {
  kGpt2,
  kSmolLm,         // every number on its own, then kGpt2 on what is between
  kLlama3,         // numbers by threes
  kQwen2,          // as kLlama3, numbers one by one
  kQwen35,         // as kQwen2, marks belong to words
  kTekken,         // words end where upper case follows lower; numbers one by one
  kGpt4o,          // as kTekken, contractions belong to their words, numbers by threes
  kDeepSeek3,      // numbers by threes, runs of CJK, then words and signs
  kDeepSeekCoder,  // line breaks, words, punctuation, Far Eastern runs, numbers one by one
  kFalcon,         // punctuation runs, then kGpt2, then digits by threes
  kDefault,        // as kFalcon with numbers apart from words: what a file without tokenizer.ggml.pre means
};

struct PreTokenizerRules {
  Splitter splitter = Splitter::kDefault;
  bool ignore_merges = false;    // a piece that is a token is that token, whatever the merges say
  bool add_bos_default = false;  // when the file does not say
};

// The rules for a value of tokenizer.ggml.pre (empty: the key is missing). Nothing for a name we do not know.
std::optional<PreTokenizerRules> find_pre_tokenizer(std::string_view pre);

// Calls `emit` with each piece in order; together they are the text. The text must be valid UTF-8.
using EmitPiece = std::function<void(std::string_view)>;
void split_text(Splitter splitter, std::string_view text, const EmitPiece& emit);

}  // namespace troupe
