#include "actors/prompt_tokens.hpp"

#include <exception>

namespace troupe {
namespace {

Result<std::vector<TokenId>> tokens_of(const TextCodec& codec, const PromptInput& prompt, bool add_special) {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&prompt)) return *tokens;
  if (const auto* text = std::get_if<std::string>(&prompt)) return codec.tokenize(*text, add_special, false);
  return codec.tokenize_chat(std::get<ChatPrompt>(prompt));
}

}  // namespace

Result<std::vector<TokenId>> prompt_tokens(const TextCodec& codec, const PromptInput& prompt, bool add_special) {
  try {
    return tokens_of(codec, prompt, add_special);
  } catch (const std::exception&) {  // out of memory, most likely: this request's trouble and nobody else's
    return Error{ErrorCode::kInternal, "the prompt could not be tokenized", "", 0};
  }
}

}  // namespace troupe
