#pragma once
// The prompts of a request: the four spellings of `prompt`, or of `input`, and the messages of a chat.
#include <optional>
#include <vector>

#include "net/schema/api_request.hpp"
#include "net/schema/json_fields.hpp"

namespace troupe {

struct PromptField {
  const char* name;
  std::size_t count_max;
};
// A string, a list of strings, a list of token ids or a list of such lists; none of them empty.
std::vector<PromptInput> read_prompts(JsonFields& fields, const PromptField& field, const ModelCard& card);

// `messages`, `add_generation_prompt`, `continue_final_message` and `chat_template_kwargs`.
ChatPrompt read_chat_prompt(JsonFields& fields, std::optional<Error>& error, const ModelCard& card);

std::vector<TokenId> read_token_ids(JsonFields& fields, std::string_view name, const boost::json::value& list,
                                    const ModelCard& card);

}  // namespace troupe
