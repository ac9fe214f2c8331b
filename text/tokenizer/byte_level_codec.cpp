#include "text/tokenizer/byte_level_codec.hpp"

#include <unordered_map>
#include <utility>

#include "text/detokenizer.hpp"
#include "text/stop_matcher.hpp"
#include "text/tokenizer/bpe_merger.hpp"
#include "text/tokenizer/byte_alphabet.hpp"
#include "text/tokenizer/end_of_generation.hpp"
#include "text/utf8.hpp"

namespace troupe {

// Encodes the words of one text, and remembers the short ones: natural text repeats them.
class ByteLevelCodec::WordEncoder {
 public:
  WordEncoder(const ByteLevelCodec& codec, std::vector<TokenId>& out)
      : codec_(codec), merger_(codec.merges_), out_(out) {}

  void encode(std::string_view word) {
    if (word.size() > kRememberedBytesMax) return encode_anew(word);
    auto known = seen_.find(word);
    if (known != seen_.end()) {
      auto [begin, count] = known->second;
      for (std::size_t i = begin; i < begin + count; ++i) out_.push_back(TokenId{out_[i]});
      return;
    }
    std::size_t begin = out_.size();
    encode_anew(word);
    if (seen_.size() < kRememberedWordsMax) seen_.emplace(word, std::pair(begin, out_.size() - begin));
  }

 private:
  static constexpr std::size_t kRememberedBytesMax = 32;
  static constexpr std::size_t kRememberedWordsMax = 1U << 15;

  void encode_anew(std::string_view word) {
    if (codec_.rules_.ignore_merges && word.size() <= kTokenBytesMax) {
      stand_ins_.clear();
      for (char c : word) stand_ins_ += byte_stand_in(static_cast<std::uint8_t>(c));
      std::optional<TokenId> whole = codec_.vocabulary_->find(stand_ins_);
      if (whole && codec_.vocabulary_->type(*whole) == TokenType::kNormal) return out_.push_back(*whole);
    }
    symbols_.clear();
    for (char c : word) symbols_.push_back(codec_.byte_tokens_[static_cast<unsigned char>(c)]);
    merger_.merge(symbols_);
    for (TokenId symbol : symbols_) {
      if (symbol >= 0) {
        out_.push_back(symbol);
      } else if (codec_.unknown_) {
        out_.push_back(*codec_.unknown_);
      }
    }
  }

  const ByteLevelCodec& codec_;
  BpeMerger merger_;
  std::vector<TokenId>& out_;
  std::vector<TokenId> symbols_;
  std::string stand_ins_;
  std::unordered_map<std::string_view, std::pair<std::size_t, std::size_t>> seen_;  // word -> begin, count in out_
};

ByteLevelCodec::ByteLevelCodec(Vocabulary vocabulary, MergeTable merges, SpecialTokens special, PreTokenizerRules rules,
                               Result<ChatTemplate> chat_template)
    : vocabulary_(std::make_shared<const Vocabulary>(std::move(vocabulary))),
      merges_(std::move(merges)),
      special_(std::move(special)),
      rules_(rules),
      chat_template_(std::move(chat_template)) {}

Result<std::unique_ptr<TextCodec>> ByteLevelCodec::make(TokenizerSpec spec, PreTokenizerRules rules,
                                                        Result<ChatTemplate> chat_template) {
  Result<Vocabulary> vocabulary = Vocabulary::make(std::move(spec.tokens), spec.token_types);
  if (!vocabulary) return vocabulary.error();
  Result<MergeTable> merges = MergeTable::make(spec.merges, *vocabulary);
  if (!merges) return merges.error();
  Result<SpecialTokens> special = SpecialTokens::make(*vocabulary);
  if (!special) return special.error();
  std::unique_ptr<ByteLevelCodec> codec(new ByteLevelCodec(std::move(*vocabulary), std::move(*merges),
                                                           std::move(*special), rules, std::move(chat_template)));
  const Vocabulary& v = *codec->vocabulary_;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::optional<TokenId> id = v.find(byte_stand_in(static_cast<std::uint8_t>(byte)));
    codec->byte_tokens_[byte] = id.value_or(-1);
  }
  auto text_of = [&](std::optional<std::uint32_t> id) {
    return id ? v.text(static_cast<TokenId>(*id)) : std::string();
  };
  codec->template_tokens_ = {text_of(spec.bos_id), text_of(spec.eos_id), text_of(spec.unknown_id),
                             text_of(spec.padding_id)};
  // SmolLM2 names <|endoftext|>, a control token, as its unknown token: users' text must not turn into that.
  if (spec.unknown_id && v.type(static_cast<TokenId>(*spec.unknown_id)) == TokenType::kUnknown) {
    codec->unknown_ = static_cast<TokenId>(*spec.unknown_id);
  }
  if (spec.add_bos.value_or(rules.add_bos_default) && spec.bos_id) codec->bos_ = static_cast<TokenId>(*spec.bos_id);
  if (spec.add_eos.value_or(false) && spec.eos_id) codec->eos_ = static_cast<TokenId>(*spec.eos_id);
  codec->end_of_generation_ = end_of_generation_tokens(spec, v);
  return std::unique_ptr<TextCodec>(std::move(codec));
}

Result<std::vector<TokenId>> ByteLevelCodec::tokenize(std::string_view text, bool add_special,
                                                      bool parse_special) const {
  return encode(text, add_special, parse_special, {});
}

Result<std::vector<TokenId>> ByteLevelCodec::encode(std::string_view text, bool add_special, bool parse_special,
                                                    std::span<const ByteRange> marks) const {
  if (text.size() > kTokenizeBytesMax) {
    return Error{ErrorCode::kInvalidRequest,
                 "the text has " + std::to_string(text.size()) + " bytes; at most " +
                     std::to_string(kTokenizeBytesMax) + " are allowed",
                 "", 0};
  }
  if (std::optional<std::size_t> invalid = find_invalid_utf8(text)) {
    return Error{ErrorCode::kInvalidRequest, "the text is not valid UTF-8 at byte " + std::to_string(*invalid), "", 0};
  }
  std::vector<TokenId> out;
  if (add_special && bos_) out.push_back(*bos_);
  WordEncoder encoder(*this, out);
  EmitPiece encode_word = [&](std::string_view word) { encoder.encode(word); };
  for (std::size_t at = 0; at < text.size();) {
    SpecialTokens::Match match = special_.find(text, at, parse_special, marks);
    split_text(rules_.splitter, text.substr(at, match.begin - at), encode_word);
    if (match.token >= 0) out.push_back(match.token);
    at = match.end;
  }
  if (add_special && eos_) out.push_back(*eos_);
  return out;
}

Result<std::vector<TokenId>> ByteLevelCodec::tokenize_chat(const ChatPrompt& prompt) const {
  if (!chat_template_) return chat_template_.error();
  Result<MarkedText> rendered = chat_template_->render(prompt, template_tokens_);
  if (!rendered) return rendered.error();
  return encode(rendered->bytes(), false, true, rendered->marks());
}

Status ByteLevelCodec::chat_template_status() const {
  if (!chat_template_) return chat_template_.error();
  return {};
}

std::unique_ptr<TextDecoder> ByteLevelCodec::new_decoder() const {
  return std::make_unique<Detokenizer>(vocabulary_, false);
}

std::unique_ptr<StopFilter> ByteLevelCodec::new_stop_filter(std::vector<std::string> stops) const {
  return std::make_unique<StopMatcher>(std::move(stops));
}

std::string ByteLevelCodec::detokenize(std::span<const TokenId> tokens, bool show_special) const {
  Detokenizer detokenizer(vocabulary_, show_special);
  std::string text;
  for (TokenId token : tokens) detokenizer.push(token, text);
  detokenizer.finish(text);
  return text;
}

std::string ByteLevelCodec::token_bytes(TokenId token) const {
  return vocabulary_->contains(token) ? std::string(vocabulary_->bytes(token)) : std::string();
}

}  // namespace troupe
