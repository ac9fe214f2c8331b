#include "model/safetensors/folder_tokenizer.hpp"

#include "model/safetensors/folder_file.hpp"
#include "model/safetensors/json_object.hpp"
#include "text/tokenizer_json/tokenizer_json.hpp"

namespace troupe {
namespace {

constexpr std::size_t kEndIdsMax = 64;
constexpr std::uint64_t kIdMax = (1ULL << 32) - 1;

Error no_tokenizer(const std::string& folder) {
  return load_error("tokenizer.json", std::string("it is missing") +
                                          (exists_in(folder, "tokenizer.model") || exists_in(folder, "vocab.json")
                                               ? "; other files of a tokenizer are not read"
                                               : ""));
}

// The file's text, or nothing where it is not.
Result<std::string> text_if_any(const std::string& folder, const std::string& name, std::size_t bytes_max) {
  if (!exists_in(folder, name)) return std::string();
  auto file = FolderFile::open(folder, name);
  if (!file) return file.error();
  if (file->text().size() > bytes_max)
    return load_error(name, "has " + std::to_string(file->text().size()) + " bytes; at most " +
                                std::to_string(bytes_max) + " are supported");
  return std::string(file->text());
}

}  // namespace

Result<std::vector<std::uint64_t>> read_end_ids(std::string_view generation_config_json) {
  auto document = JsonDocument::parse(generation_config_json, "generation_config.json", kGenerationConfigBytesMax);
  if (!document) return document.error();
  std::vector<std::uint64_t> ids = document->root().count_or_counts("eos_token_id", kEndIdsMax, kIdMax);
  if (!document->status()) return document->status().error();
  return ids;
}

Result<TokenizerSpec> read_folder_tokenizer(const std::string& folder, std::vector<std::uint64_t> end_ids) {
  if (!exists_in(folder, "tokenizer.json")) return no_tokenizer(folder);
  auto tokenizer = FolderFile::open(folder, "tokenizer.json");
  if (!tokenizer) return tokenizer.error();
  auto config = text_if_any(folder, "tokenizer_config.json", kTokenizerConfigBytesMax);
  if (!config) return config.error();
  auto spec = read_tokenizer_json(tokenizer->text(), *config);
  if (!spec) return spec.error();

  auto chat_template = text_if_any(folder, "chat_template.jinja", kChatTemplateFileBytesMax);
  if (!chat_template) return chat_template.error();
  if (!chat_template->empty()) spec->chat_template = std::move(*chat_template);

  auto generation = text_if_any(folder, "generation_config.json", kGenerationConfigBytesMax);
  if (!generation) return generation.error();
  if (!generation->empty()) {
    auto ids = read_end_ids(*generation);
    if (!ids) return ids.error();
    if (!ids->empty()) end_ids = std::move(*ids);
  }
  for (std::uint64_t id : end_ids) {
    if (id >= spec->tokens.size())
      return load_error("eos_token_id", "is " + std::to_string(id) + "; the tokenizer has " +
                                            std::to_string(spec->tokens.size()) + " tokens");
    spec->more_end_ids.push_back(static_cast<std::uint32_t>(id));
  }
  return spec;
}

}  // namespace troupe
