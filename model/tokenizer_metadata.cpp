#include "model/tokenizer_metadata.hpp"

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr const char* kPrefix = "tokenizer.ggml.";

constexpr std::pair<const char*, std::optional<std::uint32_t> TokenizerSpec::*> kIds[] = {
    {"bos_token_id", &TokenizerSpec::bos_id},         {"eos_token_id", &TokenizerSpec::eos_id},
    {"eot_token_id", &TokenizerSpec::eot_id},         {"eom_token_id", &TokenizerSpec::eom_id},
    {"unknown_token_id", &TokenizerSpec::unknown_id}, {"padding_token_id", &TokenizerSpec::padding_id},
    {"fim_pad_token_id", &TokenizerSpec::fim_pad_id}, {"fim_rep_token_id", &TokenizerSpec::fim_rep_id},
    {"fim_sep_token_id", &TokenizerSpec::fim_sep_id}};

// Stores a value or keeps the first error.
template <class T, class Target>
void store(Result<T> value, Target& target, Status& status) {
  if (value)
    target = std::move(*value);
  else if (status)
    status = value.error();
}

void read_id(const Metadata& metadata, const char* name, std::uint32_t vocab_size, std::optional<std::uint32_t>& target,
             Status& status) {
  std::string key = std::string(kPrefix) + name;
  if (!metadata.has(key)) return;
  auto id = metadata.count(key, 0, vocab_size - 1);
  if (id)
    target = static_cast<std::uint32_t>(*id);
  else if (status)
    status = id.error();
}

Status check_length(const char* name, std::size_t size, std::uint32_t vocab_size) {
  if (size == vocab_size) return {};
  return load_error(std::string(kPrefix) + name, "has " + std::to_string(size) + " entries; token_embd.weight has " +
                                                     std::to_string(vocab_size) + " rows");
}

}  // namespace

Result<TokenizerSpec> read_tokenizer_spec(const Metadata& metadata, std::uint32_t vocab_size) {
  TokenizerSpec spec;
  Status status;
  auto key = [](const char* name) { return std::string(kPrefix) + name; };
  store(metadata.text(key("model")), spec.model, status);
  store(metadata.text(key("pre"), ""), spec.pre, status);
  store(metadata.strings(key("tokens")), spec.tokens, status);
  store(metadata.integers(key("token_type")), spec.token_types, status);
  store(metadata.floats(key("scores")), spec.scores, status);
  store(metadata.strings(key("merges")), spec.merges, status);
  store(metadata.flag(key("add_bos_token")), spec.add_bos, status);
  store(metadata.flag(key("add_eos_token")), spec.add_eos, status);
  store(metadata.flag(key("add_space_prefix")), spec.add_space_prefix, status);
  store(metadata.text("general.name", ""), spec.model_name, status);
  store(metadata.text("tokenizer.chat_template", ""), spec.chat_template, status);
  if (!status) return status.error();

  if (Status s = check_length("tokens", spec.tokens.size(), vocab_size); !s) return s.error();
  if (!spec.token_types.empty())
    if (Status s = check_length("token_type", spec.token_types.size(), vocab_size); !s) return s.error();
  if (!spec.scores.empty())
    if (Status s = check_length("scores", spec.scores.size(), vocab_size); !s) return s.error();

  for (auto [name, member] : kIds) read_id(metadata, name, vocab_size, spec.*member, status);
  if (!status) return status.error();
  return spec;
}

Status write_tokenizer_spec(const TokenizerSpec& given, MetadataWriter& keys) {
  if (given.model != "gpt2" && given.model != "llama")
    return load_error("tokenizer", "GGUF has no kind for this one (" + printable(given.model) +
                                       "); byte-level BPE and SentencePiece can be written");
  TokenizerSpec spec = given;
  // GGUF has three keys for what ends the output.
  for (std::uint32_t id : spec.more_end_ids) {
    if (id == spec.eos_id || id == spec.eot_id || id == spec.eom_id) continue;
    for (auto end : {&TokenizerSpec::eos_id, &TokenizerSpec::eot_id, &TokenizerSpec::eom_id}) {
      if (spec.*end) continue;
      spec.*end = id;
      break;
    }
  }
  auto key = [](const char* name) { return std::string(kPrefix) + name; };
  keys.text(key("model"), spec.model).texts(key("tokens"), spec.tokens);
  if (!spec.token_types.empty()) keys.integers(key("token_type"), spec.token_types);
  if (!spec.pre.empty()) keys.text(key("pre"), spec.pre);
  if (!spec.scores.empty()) keys.floats(key("scores"), spec.scores);
  if (!spec.merges.empty()) keys.texts(key("merges"), spec.merges);
  for (auto [name, member] : kIds)
    if (spec.*member) keys.u32(key(name), *(spec.*member));
  if (spec.add_bos) keys.flag(key("add_bos_token"), *spec.add_bos);
  if (spec.add_eos) keys.flag(key("add_eos_token"), *spec.add_eos);
  if (spec.add_space_prefix) keys.flag(key("add_space_prefix"), *spec.add_space_prefix);
  if (!spec.chat_template.empty()) keys.text("tokenizer.chat_template", spec.chat_template);
  return {};
}

}  // namespace troupe
