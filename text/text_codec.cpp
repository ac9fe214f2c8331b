#include "text/text_codec.hpp"

#include <string>
#include <utility>

#include "text/chat_template/chat_template.hpp"
#include "text/tokenizer/byte_level_codec.hpp"

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

}  // namespace

Result<std::unique_ptr<TextCodec>> make_text_codec(TokenizerSpec spec) {
  if (spec.model != "gpt2") {
    return broken(spec.model.empty() ? "tokenizer.ggml.model is missing"
                                     : "kind '" + spec.model.substr(0, 64) + "' is not supported; only 'gpt2' is");
  }
  std::optional<PreTokenizerRules> rules = find_pre_tokenizer(spec.pre);
  if (!rules) return broken("unknown pre-tokenizer '" + spec.pre.substr(0, 64) + "'");
  if (!spec.scores.empty() && spec.scores.size() != spec.tokens.size()) {
    return broken("scores has " + std::to_string(spec.scores.size()) + " entries for " +
                  std::to_string(spec.tokens.size()) + " tokens");
  }
  if (Status ids = check_ids(spec); !ids) return ids.error();
  if (spec.add_bos.value_or(false) && !spec.bos_id) return broken("add_bos_token is set but there is no bos_token_id");
  if (spec.add_eos.value_or(false) && !spec.eos_id) return broken("add_eos_token is set but there is no eos_token_id");
  Result<ChatTemplate> chat_template = compile_chat_template(spec.chat_template);
  return ByteLevelCodec::make(std::move(spec), *rules, std::move(chat_template));
}

}  // namespace troupe
