#pragma once
// SentencePiece's BPE ("llama" in GGUF: Llama 1 and 2, Mistral, Phi-3, Gemma): characters join to the neighbouring pair
// whose text has the best score, the leftmost first among equals; characters that are not tokens become bytes.
#include <memory>
#include <optional>

#include "runtime/result.hpp"
#include "text/tokenizer/byte_fallback.hpp"
#include "text/tokenizer/mark_boundaries.hpp"
#include "text/tokenizer/token_model.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"
#include "text/tokenizer/vocabulary.hpp"

namespace troupe {

class SentencePieceModel final : public TokenModel {
 public:
  // kModelFile when there is not one finite score for each token.
  static Result<std::unique_ptr<TokenModel>> make(const TokenizerSpec& spec,
                                                  std::shared_ptr<const Vocabulary> vocabulary);

  std::unique_ptr<StretchEncoder> new_encoder(std::vector<TokenId>& out) const override;

 private:
  class Encoder;
  SentencePieceModel(const TokenizerSpec& spec, std::shared_ptr<const Vocabulary> vocabulary);

  // The token a text may join to. Control, unknown and byte tokens are not made of text, so that "<s>" in a user's text
  // stays three characters or whatever else they join to.
  std::optional<TokenId> find(std::string_view text) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::vector<std::uint32_t> ranks_;  // by id: 0 for the best score, equal ones for equal scores
  std::size_t token_bytes_max_ = 0;   // of the longest text that is looked for
  ByteFallback fallback_;
  MarkBoundaries boundaries_;
  std::optional<SpacePrefix> prefix_;
};

}  // namespace troupe
