#pragma once
// Everything a model's files say about its tokenizer, as plain values and unchecked: the model loader fills it from
// GGUF, read_tokenizer_json from a Hugging Face folder, and make_text_codec decides whether it makes sense. Names
// follow the tokenizer.ggml.* keys of GGUF.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

// Values of the tokenizer.ggml.token_type array; any other number counts as kNormal.
enum class TokenType : std::int32_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

// Where a space goes before text, in tokenizers that put one there at all. A stretch is text between special tokens.
enum class SpacePrefix : std::uint8_t {
  kEveryStretch,             // SentencePiece as llama.cpp runs it, and a normalizer that prepends
  kEveryStretchUnlessThere,  // unless the stretch begins with a space
  kTextUnlessThere,          // the first stretch only, when no special token stands before it
};

struct TokenizerSpec {
  // tokenizer.ggml.model: "gpt2" (byte-level BPE), "llama" (SentencePiece); "bpe" is not GGUF's but tokenizer.json's
  // BPE over characters, with bytes for those that are not tokens (Llama 2, Gemma).
  std::string model;
  std::string pre;                        // tokenizer.ggml.pre; empty when the key is missing
  std::vector<std::string> tokens;        // by id
  std::vector<std::int32_t> token_types;  // by id; empty when the key is missing, then all are normal
  std::vector<float> scores;              // by id; empty when the key is missing
  std::vector<std::string> merges;        // "left right", best first

  // *_token_id
  std::optional<std::uint32_t> bos_id;
  std::optional<std::uint32_t> eos_id;
  std::optional<std::uint32_t> eot_id;
  std::optional<std::uint32_t> eom_id;
  std::optional<std::uint32_t> unknown_id;
  std::optional<std::uint32_t> padding_id;
  std::optional<std::uint32_t> fim_pad_id;
  std::optional<std::uint32_t> fim_rep_id;
  std::optional<std::uint32_t> fim_sep_id;
  std::vector<std::uint32_t> more_end_ids;  // further ids that end generation (generation_config.json)

  std::optional<bool> add_bos;           // add_bos_token; the default depends on model and pre
  std::optional<bool> add_eos;           // add_eos_token; default no
  std::optional<bool> add_space_prefix;  // the default depends on model
  std::string model_name;                // general.name: Phi-3's special tokens swallow the space after them

  // What GGUF has no key for, and tokenizer.json says.
  SpacePrefix space_prefix = SpacePrefix::kEveryStretch;  // where add_space_prefix adds one
  std::optional<bool> ignore_merges;                      // the default depends on pre
  bool nfc = false;                                       // text between special tokens is brought to form C first
  std::vector<std::uint32_t> strip_left_ids;              // special tokens that swallow white space before them
  std::vector<std::uint32_t> strip_right_ids;             // and after them

  std::string chat_template;  // tokenizer.chat_template; empty when the model has none
};

}  // namespace troupe
