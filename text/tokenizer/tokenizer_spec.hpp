#pragma once
// Everything a model file says about its tokenizer, as plain values and unchecked: the model loader fills it, and
// make_text_codec decides whether it makes sense. Names follow the tokenizer.ggml.* keys of GGUF.
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

struct TokenizerSpec {
  std::string model;                      // tokenizer.ggml.model: "gpt2" (byte-level BPE), "llama" (SentencePiece)
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

  std::optional<bool> add_bos;  // add_bos_token; the default depends on model and pre
  std::optional<bool> add_eos;  // add_eos_token; default no
  std::optional<bool> add_space_prefix;

  std::string chat_template;  // tokenizer.chat_template; empty when the model has none
};

}  // namespace troupe
