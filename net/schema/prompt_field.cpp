#include "net/schema/prompt_field.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <iterator>

#include "net/schema/json_parse.hpp"
#include "net/schema/unsupported_fields.hpp"
#include "runtime/chat_roles.hpp"

namespace troupe {
namespace {

namespace json = boost::json;

void refuse_length(JsonFields& fields, std::string_view name, const std::string& size, const ModelCard& card) {
  fields.refuse(name,
                " has " + size + ", more than this model's maximum context length of " +
                    std::to_string(card.context_length) + " tokens can hold",
                ErrorCode::kContextLengthExceeded);
}

bool fits(JsonFields& fields, std::string_view name, std::size_t bytes, const ModelCard& card) {
  if (bytes <= kBytesPerTokenMax * card.context_length) return true;
  refuse_length(fields, name, std::to_string(bytes) + " bytes", card);
  return false;
}

PromptInput read_text_prompt(JsonFields& fields, const char* name, const json::string& text, const ModelCard& card) {
  if (text.empty()) fields.refuse(name, " must not be empty");
  if (!fits(fields, name, text.size(), card)) return std::string();
  return std::string(std::string_view(text));
}

// "content" of a message: a string, or parts of type "text".
void read_content(JsonFields& message, std::optional<Error>& error, std::string_view prefix, bool may_be_absent,
                  ChatMessage& read) {
  const json::value* content = message.find("content");
  if (content == nullptr) {
    if (!may_be_absent) message.refuse("content", " is required");
    return;
  }
  if (const json::string* text = content->if_string()) {
    read.content = std::string_view(*text);
    return;
  }
  const json::array* parts = content->if_array();
  if (parts == nullptr) {
    message.refuse("content", " must be a string or a list of parts, not " + brief(*content));
    return;
  }
  for (std::size_t i = 0; i < parts->size() && !error; ++i) {
    std::string name = std::string(prefix) + "content[" + std::to_string(i) + "]";
    const json::object* part = (*parts)[i].if_object();
    if (part == nullptr) {
      error = Error{ErrorCode::kInvalidRequest, name + " must be an object, not " + brief((*parts)[i]), name, 0};
      break;
    }
    std::string part_prefix = name + ".";
    JsonFields fields(*part, error, part_prefix);
    std::string type = fields.text("type", kNameBytesMax);
    if (type.empty()) fields.refuse("type", " is required");
    if (type != "text") fields.refuse("type", " is not \"text\": this server takes text only", ErrorCode::kUnsupported);
    if (fields.find("text") == nullptr) fields.refuse("text", " is required");
    read.parts.push_back(fields.text("text", SIZE_MAX));
  }
}

ChatMessage read_message(const json::value& value, std::size_t index, std::optional<Error>& error) {
  std::string prefix = "messages[" + std::to_string(index) + "]";
  const json::object* object = value.if_object();
  if (object == nullptr) {
    error = Error{ErrorCode::kInvalidRequest, prefix + " must be an object, not " + brief(value), prefix, 0};
    return {};
  }
  prefix += '.';
  JsonFields fields(*object, error, prefix);
  ChatMessage message;
  message.role = fields.text("role", kNameBytesMax);
  if (std::find(std::begin(kChatRoles), std::end(kChatRoles), message.role) == std::end(kChatRoles)) {
    fields.refuse("role", message.role.empty() ? " is required"
                                               : " must be system, developer, user, assistant, tool or function, not " +
                                                     brief(*fields.find("role")));
  }
  message.name = fields.text("name", kNameBytesMax);
  refuse_unsupported_message(fields);
  read_content(fields, error, prefix, message.role == "assistant", message);
  return message;
}

}  // namespace

std::vector<TokenId> read_token_ids(JsonFields& fields, std::string_view name, const json::value& list,
                                    const ModelCard& card) {
  std::vector<TokenId> tokens;
  const json::array& ids = list.get_array();
  tokens.reserve(ids.size());
  for (const json::value& element : ids) {
    std::optional<std::int64_t> id = as_integer(element);
    if (!id || !(0 <= *id && *id < static_cast<std::int64_t>(card.vocab_size))) {
      fields.refuse(name, " has " + brief(element) + " among its token ids; they are integers from 0 to below " +
                              std::to_string(card.vocab_size));
      return {};
    }
    tokens.push_back(static_cast<TokenId>(*id));
  }
  return tokens;
}

std::vector<PromptInput> read_prompts(JsonFields& fields, const PromptField& field, const ModelCard& card) {
  const char* name = field.name;
  const json::value* value = fields.find(name);
  std::vector<PromptInput> prompts;
  if (value == nullptr) {
    fields.refuse(name, " is required");
    return prompts;
  }
  auto read_ids = [&](const json::value& list) -> PromptInput {
    if (list.get_array().empty()) fields.refuse(name, " must not be empty");
    if (list.get_array().size() > card.context_length) {
      refuse_length(fields, name, std::to_string(list.get_array().size()) + " tokens", card);
      return std::vector<TokenId>();
    }
    return read_token_ids(fields, name, list, card);
  };

  if (const json::string* text = value->if_string()) {
    prompts.push_back(read_text_prompt(fields, name, *text, card));
    return prompts;
  }
  const json::array* list = value->if_array();
  if (list == nullptr || list->empty()) {
    fields.refuse(name, " must be a string, a list of strings, a list of token ids or a list of such lists, not " +
                            brief(*value));
    return prompts;
  }
  const json::value& first = list->front();
  if (!first.is_string() && !first.is_array()) {
    prompts.push_back(read_ids(*value));
    return prompts;
  }
  if (list->size() > field.count_max) {
    fields.refuse(name, " is a list of " + std::to_string(list->size()) + "; at most " +
                            std::to_string(field.count_max) + " are allowed");
    return prompts;
  }
  for (const json::value& element : *list) {
    if (element.kind() != first.kind()) {
      fields.refuse(name, " must not mix strings and lists of token ids; it has " + brief(element));
    }
    if (fields.has_error()) return {};
    prompts.push_back(element.is_string() ? read_text_prompt(fields, name, element.get_string(), card)
                                          : read_ids(element));
  }
  return prompts;
}

ChatPrompt read_chat_prompt(JsonFields& fields, std::optional<Error>& error, const ModelCard& card) {
  ChatPrompt prompt;
  prompt.continue_final_message = fields.boolean("continue_final_message", false);
  prompt.add_generation_prompt = fields.boolean("add_generation_prompt", !prompt.continue_final_message);
  if (prompt.continue_final_message && prompt.add_generation_prompt)
    fields.refuse("continue_final_message", " and add_generation_prompt cannot both be true");
  if (const json::object* arguments = fields.object("chat_template_kwargs"))
    prompt.template_arguments = json::serialize(*arguments);
  const json::value* value = fields.find("messages");
  const json::array* messages = value == nullptr ? nullptr : value->if_array();
  if (messages == nullptr || messages->empty() || messages->size() > kMessagesMax) {
    fields.refuse("messages", value == nullptr
                                  ? std::string(" is required")
                                  : " must be a list of 1 to " + std::to_string(kMessagesMax) + " messages");
    return prompt;
  }
  std::size_t bytes = prompt.template_arguments.size();
  for (std::size_t i = 0; i < messages->size() && !error; ++i) {
    prompt.messages.push_back(read_message((*messages)[i], i, error));
    bytes += prompt.messages.back().content.size();
    for (const std::string& part : prompt.messages.back().parts) bytes += part.size();
  }
  fits(fields, "messages", bytes, card);
  return prompt;
}

}  // namespace troupe
