#pragma once
// Byte-level BPE ("gpt2" in GGUF: GPT-2, Llama 3, Qwen, SmolLM): the pre-tokenizer cuts words, then each word's bytes
// are merged.
#include <array>
#include <memory>
#include <optional>

#include "runtime/result.hpp"
#include "text/tokenizer/merge_table.hpp"
#include "text/tokenizer/pre_tokenizer.hpp"
#include "text/tokenizer/token_model.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

class ByteLevelModel final : public TokenModel {
 public:
  static Result<std::unique_ptr<TokenModel>> make(const TokenizerSpec& spec, PreTokenizerRules rules,
                                                  std::shared_ptr<const Vocabulary> vocabulary);

  std::unique_ptr<StretchEncoder> new_encoder(std::vector<TokenId>& out) const override;

 private:
  class Encoder;
  ByteLevelModel(const TokenizerSpec& spec, PreTokenizerRules rules, std::shared_ptr<const Vocabulary> vocabulary,
                 MergeTable merges);

  std::shared_ptr<const Vocabulary> vocabulary_;
  MergeTable merges_;
  Splitter splitter_;
  bool ignore_merges_;
  std::array<TokenId, 256> byte_tokens_{};  // -1: the vocabulary lacks this byte
  std::optional<TokenId> unknown_;          // stands for such a byte
};

}  // namespace troupe
