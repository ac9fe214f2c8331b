#include "text/tokenizer/character_bpe_model.hpp"

#include <string>
#include <utility>

#include "text/tokenizer/bpe_merger.hpp"
#include "text/tokenizer/space_marks.hpp"
#include "text/tokenizer/word_memory.hpp"
#include "text/utf8.hpp"

namespace troupe {

class CharacterBpeModel::Encoder final : public StretchEncoder {
 public:
  Encoder(const CharacterBpeModel& model, std::vector<TokenId>& out)
      : model_(model), merger_(model.merges_), out_(out), memory_(out) {}

  void encode(std::string_view stretch, bool is_first) override {
    std::string text = with_space_marks(stretch, model_.prefix_, is_first);
    if (model_.ignore_merges_ && text.size() <= kTokenBytesMax) {
      if (std::optional<TokenId> whole = find(text)) return out_.push_back(*whole);
    }
    model_.boundaries_.for_each_word(text, [this](std::string_view word) {
      memory_.encode(word, [this](std::string_view anew) { encode_anew(anew); });
    });
  }

 private:
  void encode_anew(std::string_view word) {
    symbols_.clear();
    for (std::size_t at = 0; at < word.size();) {
      std::string_view character = word.substr(at, code_point_at(word, at).bytes);
      at += character.size();
      if (std::optional<TokenId> token = find(character)) {
        symbols_.push_back(*token);
      } else {
        model_.fallback_.append(character, 0, symbols_);
      }
    }
    merger_.merge(symbols_);
    out_.insert(out_.end(), symbols_.begin(), symbols_.end());
  }

  std::optional<TokenId> find(std::string_view text) const {
    std::optional<TokenId> id = model_.vocabulary_->find(text);
    return id && !model_.vocabulary_->is_hidden(*id) ? id : std::nullopt;
  }

  const CharacterBpeModel& model_;
  BpeMerger merger_;
  std::vector<TokenId>& out_;
  std::vector<TokenId> symbols_;
  WordMemory memory_;
};

CharacterBpeModel::CharacterBpeModel(const TokenizerSpec& spec, std::shared_ptr<const Vocabulary> vocabulary,
                                     MergeTable merges)
    : vocabulary_(std::move(vocabulary)),
      merges_(std::move(merges)),
      fallback_(spec, *vocabulary_),
      boundaries_(*vocabulary_),
      ignore_merges_(spec.ignore_merges.value_or(false)) {
  if (spec.add_space_prefix.value_or(false)) prefix_ = spec.space_prefix;
}

Result<std::unique_ptr<TokenModel>> CharacterBpeModel::make(const TokenizerSpec& spec,
                                                            std::shared_ptr<const Vocabulary> vocabulary) {
  Result<MergeTable> merges = MergeTable::make(spec.merges, *vocabulary);
  if (!merges) return merges.error();
  return std::unique_ptr<TokenModel>(new CharacterBpeModel(spec, std::move(vocabulary), std::move(*merges)));
}

std::unique_ptr<StretchEncoder> CharacterBpeModel::new_encoder(std::vector<TokenId>& out) const {
  return std::make_unique<Encoder>(*this, out);
}

}  // namespace troupe
