#pragma once
// BPE over characters as tokenizer.json has it for Llama 2 and Gemma ("bpe"): a stretch is one word, spaces are marks,
// characters that are not tokens become bytes, and pairs merge by rank.
#include <memory>
#include <optional>

#include "runtime/result.hpp"
#include "text/tokenizer/byte_fallback.hpp"
#include "text/tokenizer/mark_boundaries.hpp"
#include "text/tokenizer/merge_table.hpp"
#include "text/tokenizer/token_model.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

class CharacterBpeModel final : public TokenModel {
 public:
  static Result<std::unique_ptr<TokenModel>> make(const TokenizerSpec& spec,
                                                  std::shared_ptr<const Vocabulary> vocabulary);

  std::unique_ptr<StretchEncoder> new_encoder(std::vector<TokenId>& out) const override;

 private:
  class Encoder;
  CharacterBpeModel(const TokenizerSpec& spec, std::shared_ptr<const Vocabulary> vocabulary, MergeTable merges);

  std::shared_ptr<const Vocabulary> vocabulary_;
  MergeTable merges_;
  ByteFallback fallback_;
  MarkBoundaries boundaries_;
  std::optional<SpacePrefix> prefix_;
  bool ignore_merges_;
};

}  // namespace troupe
