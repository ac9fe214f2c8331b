#include "text/tokenizer/byte_level_model.hpp"

#include <string>
#include <utility>

#include "text/tokenizer/bpe_merger.hpp"
#include "text/tokenizer/byte_alphabet.hpp"
#include "text/tokenizer/byte_fallback.hpp"
#include "text/tokenizer/word_memory.hpp"

namespace troupe {

class ByteLevelModel::Encoder final : public StretchEncoder {
 public:
  Encoder(const ByteLevelModel& model, std::vector<TokenId>& out)
      : model_(model), merger_(model.merges_), out_(out), memory_(out) {}

  void encode(std::string_view stretch, bool) override { split_text(model_.splitter_, stretch, encode_word_); }

 private:
  void encode_anew(std::string_view word) {
    if (model_.ignore_merges_ && word.size() <= kTokenBytesMax) {
      stand_ins_.clear();
      for (char c : word) stand_ins_ += byte_stand_in(static_cast<std::uint8_t>(c));
      std::optional<TokenId> whole = model_.vocabulary_->find(stand_ins_);
      if (whole && model_.vocabulary_->type(*whole) == TokenType::kNormal) return out_.push_back(*whole);
    }
    symbols_.clear();
    for (char c : word) symbols_.push_back(model_.byte_tokens_[static_cast<unsigned char>(c)]);
    merger_.merge(symbols_);
    for (TokenId symbol : symbols_) {
      if (symbol >= 0) {
        out_.push_back(symbol);
      } else if (model_.unknown_) {
        out_.push_back(*model_.unknown_);
      }
    }
  }

  const ByteLevelModel& model_;
  BpeMerger merger_;
  std::vector<TokenId>& out_;
  std::vector<TokenId> symbols_;
  std::string stand_ins_;
  WordMemory memory_;
  EmitPiece encode_word_ = [this](std::string_view word) {
    memory_.encode(word, [this](std::string_view anew) { encode_anew(anew); });
  };
};

ByteLevelModel::ByteLevelModel(const TokenizerSpec& spec, PreTokenizerRules rules,
                               std::shared_ptr<const Vocabulary> vocabulary, MergeTable merges)
    : vocabulary_(std::move(vocabulary)),
      merges_(std::move(merges)),
      splitter_(rules.splitter),
      ignore_merges_(spec.ignore_merges.value_or(rules.ignore_merges)),
      unknown_(unknown_token(spec, *vocabulary_)) {
  for (std::size_t byte = 0; byte < byte_tokens_.size(); ++byte) {
    byte_tokens_[byte] = vocabulary_->find(byte_stand_in(static_cast<std::uint8_t>(byte))).value_or(-1);
  }
}

Result<std::unique_ptr<TokenModel>> ByteLevelModel::make(const TokenizerSpec& spec, PreTokenizerRules rules,
                                                         std::shared_ptr<const Vocabulary> vocabulary) {
  Result<MergeTable> merges = MergeTable::make(spec.merges, *vocabulary);
  if (!merges) return merges.error();
  return std::unique_ptr<TokenModel>(new ByteLevelModel(spec, rules, std::move(vocabulary), std::move(*merges)));
}

std::unique_ptr<StretchEncoder> ByteLevelModel::new_encoder(std::vector<TokenId>& out) const {
  return std::make_unique<Encoder>(*this, out);
}

}  // namespace troupe
