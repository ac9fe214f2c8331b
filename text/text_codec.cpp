#include "text/text_codec.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "text/chat_template/chat_template.hpp"
#include "text/tokenizer/byte_level_model.hpp"
#include "text/tokenizer/character_bpe_model.hpp"
#include "text/tokenizer/end_of_generation.hpp"
#include "text/tokenizer/model_codec.hpp"
#include "text/tokenizer/sentence_piece_model.hpp"

namespace troupe {

namespace {

Error broken(std::string why) { return {ErrorCode::kModelFile, "tokenizer: " + std::move(why), "", 0}; }

struct NamedId {
  const char* key;
  std::optional<std::uint32_t> id;
};

Status check_ids(const TokenizerSpec& spec) {
  const NamedId ids[] = {{"bos_token_id", spec.bos_id},         {"eos_token_id", spec.eos_id},
                         {"eot_token_id", spec.eot_id},         {"eom_token_id", spec.eom_id},
                         {"unknown_token_id", spec.unknown_id}, {"padding_token_id", spec.padding_id},
                         {"fim_pad_token_id", spec.fim_pad_id}, {"fim_rep_token_id", spec.fim_rep_id},
                         {"fim_sep_token_id", spec.fim_sep_id}};
  auto outside = [&](const char* key, std::uint32_t id) {
    return broken(std::string(key) + " is " + std::to_string(id) + " but there are " +
                  std::to_string(spec.tokens.size()) + " tokens");
  };
  for (const NamedId& named : ids) {
    if (named.id && *named.id >= spec.tokens.size()) return outside(named.key, *named.id);
  }
  for (std::uint32_t id : spec.more_end_ids) {
    if (id >= spec.tokens.size()) return outside("eos_token_id", id);
  }
  return {};
}

Result<ChatTemplate> compile_chat_template(const std::string& source) {
  std::string why = "this model has no chat template";
  if (!source.empty()) {
    Result<ChatTemplate> compiled = ChatTemplate::compile(source);
    if (compiled) return compiled;
    why = "this model's chat template does not compile (" + compiled.error().message + ")";
  }
  return Error{ErrorCode::kUnsupported, why + "; send a prompt instead of messages", "messages", 0};
}

enum class Kind : std::uint8_t { kByteLevel, kSentencePiece, kCharacterBpe };

Result<Kind> kind_of_tokenizer(const std::string& model) {
  if (model == "gpt2") return Kind::kByteLevel;
  if (model == "llama") return Kind::kSentencePiece;
  if (model == "bpe") return Kind::kCharacterBpe;
  if (model.empty()) return broken("tokenizer.ggml.model is missing");
  return broken("kind '" + model.substr(0, 64) + "' is not supported; 'gpt2' and 'llama' are");
}

TokenSpelling spelling_of(Kind kind) {
  switch (kind) {
    case Kind::kByteLevel:
      return TokenSpelling::kByteStandIns;
    case Kind::kSentencePiece:
      return TokenSpelling::kSpaceMarks;
    case Kind::kCharacterBpe:
      return TokenSpelling::kSpaceMarksForAdded;
  }
  return TokenSpelling::kByteStandIns;
}

// What a SentencePiece file means when it does not say: unknown, beginning and end are tokens 0, 1 and 2.
void fill_in_sentence_piece(TokenizerSpec& spec) {
  auto fill_in = [&](std::optional<std::uint32_t>& id, std::uint32_t by_default) {
    if (!id && by_default < spec.tokens.size()) id = by_default;
  };
  fill_in(spec.unknown_id, 0), fill_in(spec.bos_id, 1), fill_in(spec.eos_id, 2);
  if (!spec.add_bos) spec.add_bos = spec.bos_id.has_value();
  if (!spec.add_space_prefix) spec.add_space_prefix = true;
}

// Phi-3's template writes a line break after its special tokens that its tokenizer swallows. GGUF has no key for that,
// so the file is known by its name, as llama.cpp knows it.
void fill_in_phi3(TokenizerSpec& spec, const Vocabulary& vocabulary) {
  std::string name = spec.model_name;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  if (name.find("phi-3") == std::string::npos && name.find("phi3") == std::string::npos) return;
  for (TokenId id = 0; vocabulary.contains(id); ++id) {
    const std::string& text = vocabulary.text(id);
    bool keeps = text == "<unk>" || text == "<s>" || text == "<|endoftext|>";
    if (vocabulary.is_special(id) && !keeps) spec.strip_right_ids.push_back(static_cast<std::uint32_t>(id));
  }
}

Result<std::unique_ptr<TokenModel>> make_token_model(Kind kind, const TokenizerSpec& spec,
                                                     const std::optional<PreTokenizerRules>& rules,
                                                     std::shared_ptr<const Vocabulary> vocabulary) {
  switch (kind) {
    case Kind::kByteLevel:
      return ByteLevelModel::make(spec, *rules, std::move(vocabulary));
    case Kind::kSentencePiece:
      return SentencePieceModel::make(spec, std::move(vocabulary));
    case Kind::kCharacterBpe:
      return CharacterBpeModel::make(spec, std::move(vocabulary));
  }
  return broken("of no kind");
}

}  // namespace

Result<std::unique_ptr<TextCodec>> make_text_codec(TokenizerSpec spec) {
  Result<Kind> kind = kind_of_tokenizer(spec.model);
  if (!kind) return kind.error();
  std::optional<PreTokenizerRules> rules = find_pre_tokenizer(spec.pre);
  if (*kind == Kind::kByteLevel && !rules) return broken("unknown pre-tokenizer '" + spec.pre.substr(0, 64) + "'");
  if (!spec.scores.empty() && spec.scores.size() != spec.tokens.size()) {
    return broken("scores has " + std::to_string(spec.scores.size()) + " entries for " +
                  std::to_string(spec.tokens.size()) + " tokens");
  }
  if (Status ids = check_ids(spec); !ids) return ids.error();
  if (*kind == Kind::kSentencePiece) fill_in_sentence_piece(spec);
  if (spec.add_bos.value_or(false) && !spec.bos_id) return broken("add_bos_token is set but there is no bos_token_id");
  if (spec.add_eos.value_or(false) && !spec.eos_id) return broken("add_eos_token is set but there is no eos_token_id");

  Result<Vocabulary> made = Vocabulary::make(std::move(spec.tokens), spec.token_types, spelling_of(*kind));
  if (!made) return made.error();
  auto vocabulary = std::make_shared<const Vocabulary>(std::move(*made));
  fill_in_phi3(spec, *vocabulary);
  Result<SpecialTokens> special = SpecialTokens::make(*vocabulary, spec.strip_left_ids, spec.strip_right_ids);
  if (!special) return special.error();
  Result<std::unique_ptr<TokenModel>> model = make_token_model(*kind, spec, rules, vocabulary);
  if (!model) return model.error();

  auto text_of = [&](std::optional<std::uint32_t> id) {
    return id ? vocabulary->text(static_cast<TokenId>(*id)) : std::string();
  };
  auto id_if = [](bool wanted, std::optional<std::uint32_t> id) {
    return wanted && id ? std::optional(static_cast<TokenId>(*id)) : std::nullopt;
  };
  bool add_bos = spec.add_bos.value_or(*kind == Kind::kByteLevel && rules->add_bos_default);
  return std::unique_ptr<TextCodec>(std::make_unique<ModelCodec>(ModelCodec::Parts{
      .vocabulary = vocabulary,
      .special = std::move(*special),
      .model = std::move(*model),
      .chat_template = compile_chat_template(spec.chat_template),
      .template_tokens = {text_of(spec.bos_id), text_of(spec.eos_id), text_of(spec.unknown_id),
                          text_of(spec.padding_id)},
      .bos = id_if(add_bos, spec.bos_id),
      .eos = id_if(spec.add_eos.value_or(false), spec.eos_id),
      .end_of_generation = end_of_generation_tokens(spec, *vocabulary),
      .nfc = spec.nfc,
      .drops_a_space = *kind != Kind::kByteLevel && spec.add_space_prefix.value_or(false),
  }));
}

}  // namespace troupe
