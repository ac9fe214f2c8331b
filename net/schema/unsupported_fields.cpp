#include "net/schema/unsupported_fields.hpp"

#include <boost/json.hpp>

#include "net/schema/json_parse.hpp"

namespace troupe {
namespace {

namespace json = boost::json;

bool says_nothing(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return true;
    case json::kind::bool_:
      return !value.get_bool();
    case json::kind::string:
      return value.get_string().empty();
    case json::kind::array:
      return value.get_array().empty();
    case json::kind::object:
      return value.get_object().empty();
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      return false;
  }
  return false;
}

struct UnsupportedField {
  const char* name;
  const char* allowed;  // JSON of one more value that changes nothing; nullptr: there is none
};

constexpr UnsupportedField kUnsupportedFields[] = {
    // OpenAI
    {"tools", nullptr},
    {"tool_choice", R"("none")"},
    {"functions", nullptr},
    {"function_call", R"("none")"},
    {"response_format", R"({"type":"text"})"},
    {"suffix", nullptr},
    {"audio", nullptr},
    {"modalities", R"(["text"])"},
    {"prediction", nullptr},
    {"web_search_options", nullptr},
    // vLLM
    {"guided_json", nullptr},
    {"guided_regex", nullptr},
    {"guided_choice", nullptr},
    {"guided_grammar", nullptr},
    {"structured_outputs", nullptr},
    {"logits_processors", nullptr},
    {"bad_words", nullptr},
    {"allowed_token_ids", nullptr},
    {"include_stop_str_in_output", nullptr},
    {"truncate_prompt_tokens", nullptr},
    {"use_beam_search", nullptr},
    {"documents", nullptr},
    {"chat_template", nullptr},
    {"return_token_ids", nullptr},
    {"return_tokens_as_token_ids", nullptr},
    {"prompt_embeds", nullptr},
    // llama.cpp
    {"grammar", nullptr},
    {"json_schema", nullptr},
    {"mirostat", "0"},
    {"dry_multiplier", "0"},
    {"xtc_probability", "0"},
    {"dynatemp_range", "0"},
};

constexpr UnsupportedField kChatFields[] = {
    {"chat_template_kwargs", nullptr},
    {"continue_final_message", nullptr},
};

constexpr UnsupportedField kCompletionFields[] = {
    {"echo", nullptr},
};

constexpr UnsupportedField kUnsupportedMessageFields[] = {
    {"tool_calls", nullptr},
    {"function_call", nullptr},
    {"audio", nullptr},
};

bool is_same(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
  return a == b;
}

void refuse(JsonFields& fields, const UnsupportedField& field) {
  const json::value* value = fields.find(field.name);
  if (value == nullptr || says_nothing(*value)) return;
  if (field.allowed != nullptr && is_same(*value, json::parse(field.allowed))) return;
  std::string message = " is not supported by this server";
  if (field.allowed != nullptr) message += ", except " + std::string(field.allowed);
  fields.refuse(field.name, message, ErrorCode::kUnsupported);
}

}  // namespace

void refuse_unsupported(JsonFields& fields) {
  for (const UnsupportedField& field : kUnsupportedFields) refuse(fields, field);
  const json::value* shown = fields.find("skip_special_tokens");
  if (shown != nullptr && *shown == json::value(false)) {
    fields.refuse("skip_special_tokens", " can only be true on this server", ErrorCode::kUnsupported);
  }
}

void refuse_chat_fields(JsonFields& fields) {
  for (const UnsupportedField& field : kChatFields) refuse(fields, field);
}

void refuse_completion_fields(JsonFields& fields) {
  for (const UnsupportedField& field : kCompletionFields) refuse(fields, field);
}

void refuse_unsupported_message(JsonFields& message) {
  for (const UnsupportedField& field : kUnsupportedMessageFields) refuse(message, field);
}

}  // namespace troupe
