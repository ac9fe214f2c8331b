#include "text/tokenizer_json/tokenizer_json.hpp"

#include <string>

#include "text/tokenizer/vocabulary.hpp"
#include "text/tokenizer_json/parts.hpp"

namespace troupe {

Result<TokenizerSpec> read_tokenizer_json(std::string_view tokenizer_json, std::string_view tokenizer_config_json) {
  Result<boost::json::value> document = parse_document(tokenizer_json, "tokenizer.json");
  if (!document) return document.error();
  Result<JsonView> root = JsonView::of(*document, "tokenizer.json");
  if (!root) return root.error();
  Result<boost::json::value> config_document = boost::json::value(nullptr);
  std::optional<JsonView> config;
  if (!tokenizer_config_json.empty()) {
    config_document = parse_document(tokenizer_config_json, "tokenizer_config.json");
    if (!config_document) return config_document.error();
    Result<JsonView> view = JsonView::of(*config_document, "tokenizer_config.json");
    if (!view) return view.error();
    config = std::move(*view);
  }
  TokenizerSpec spec;
  if (Status read = read_pipeline(*root, spec); !read) return read.error();
  if (Status read = read_tokens(*root, spec); !read) return read.error();
  if (Status read = read_special_roles(*root, config, spec); !read) return read.error();
  return spec;
}

Status pad_vocabulary(TokenizerSpec& spec, std::uint32_t vocab_size) {
  if (vocab_size > kVocabularyMax || spec.tokens.size() > vocab_size) {
    return broken_json("tokenizer.json", "has " + std::to_string(spec.tokens.size()) + " tokens; the model has " +
                                             std::to_string(vocab_size) + ", and at most " +
                                             std::to_string(kVocabularyMax) + " are allowed");
  }
  while (spec.tokens.size() < vocab_size) {
    spec.tokens.push_back("[UNUSED_" + std::to_string(spec.tokens.size()) + "]");
    spec.token_types.push_back(static_cast<std::int32_t>(TokenType::kUnused));
  }
  return {};
}

}  // namespace troupe
