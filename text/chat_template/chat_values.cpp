#include "text/chat_template/chat_values.hpp"

#include <algorithm>
#include <iterator>

#include "runtime/chat_roles.hpp"
#include "text/chat_template/json_value.hpp"
#include "text/chat_template/text_work.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

// What chat_template_kwargs must not have: the conversation itself, and two that elsewhere change more than a variable.
constexpr std::string_view kOwnNames[] = {"messages",      "tools",   "documents", "add_generation_prompt",
                                          "chat_template", "tokenize"};

TemplateValue name(std::string_view text) { return TemplateValue::text(std::string(text)); }

TemplateValue given_text(RenderState& state, const std::string& text) {
  if (find_invalid_utf8(text)) {
    return state.refuse("a message is not valid UTF-8");
  }
  return state.text(MarkedText::of_message(text));
}

// '<|' + role + '|>' is how some templates write their control tokens, so the known roles must be able to take part.
TemplateValue role_value(RenderState& state, const std::string& role, const TemplateTraits& traits) {
  if (role == "developer" && !traits.knows_developer) return name("system");
  bool is_known = std::find(std::begin(kChatRoles), std::end(kChatRoles), role) != std::end(kChatRoles);
  return is_known ? state.text(MarkedText(role)) : given_text(state, role);
}

std::string joined_parts(const std::vector<std::string>& parts) {
  std::string text;
  for (std::size_t i = 0; i < parts.size(); ++i) text += (i > 0 ? "\n" : "") + parts[i];
  return text;
}

TemplateValue content_value(RenderState& state, const ChatMessage& message, const TemplateTraits& traits) {
  if (message.parts.empty() || !traits.takes_parts) {
    const std::string text = message.parts.empty() ? message.content : joined_parts(message.parts);
    bool is_none = text.empty() && !message.tool_calls.empty() && traits.asks_for_none;
    return is_none ? TemplateValue::none() : given_text(state, text);
  }
  std::vector<TemplateValue> parts;
  for (const std::string& part : message.parts) {
    parts.push_back(state.dict({{name("type"), name("text")}, {name("text"), given_text(state, part)}}));
  }
  return state.list(std::move(parts));
}

// Templates write arguments as JSON or go over their items, so they get an object; what is none stays as it is.
TemplateValue argument_values(RenderState& state, const std::string& arguments) {
  if (arguments.empty()) return state.dict({});
  std::optional<TemplateValue> value = json_value(state, arguments);
  return value && value->is(TemplateValue::Kind::kDict) ? *value : given_text(state, arguments);
}

TemplateValue tool_call_values(RenderState& state, const std::vector<ChatToolCall>& calls) {
  std::vector<TemplateValue> values;
  for (const ChatToolCall& call : calls) {
    TemplateValue function = state.dict(
        {{name("name"), given_text(state, call.name)}, {name("arguments"), argument_values(state, call.arguments)}});
    std::vector<TemplateEntry> entries;
    if (!call.id.empty()) entries.emplace_back(name("id"), given_text(state, call.id));
    entries.emplace_back(name("type"), name("function"));
    entries.emplace_back(name("function"), std::move(function));
    values.push_back(state.dict(std::move(entries)));
  }
  return state.list(std::move(values));
}

}  // namespace

TemplateValue message_values(RenderState& state, const std::vector<ChatMessage>& messages,
                             const TemplateTraits& traits) {
  std::vector<TemplateValue> values;
  for (const ChatMessage& message : messages) {
    std::vector<TemplateEntry> entries;
    entries.emplace_back(name("role"), role_value(state, message.role, traits));
    entries.emplace_back(name("content"), content_value(state, message, traits));
    auto add = [&](std::string_view key, const std::string& text) {
      if (!text.empty()) entries.emplace_back(name(key), given_text(state, text));
    };
    add("name", message.name);
    add("reasoning_content", message.reasoning);
    if (!message.tool_calls.empty()) {
      entries.emplace_back(name("tool_calls"), tool_call_values(state, message.tool_calls));
    }
    add("tool_call_id", message.tool_call_id);
    values.push_back(state.dict(std::move(entries)));
    if (state.failed()) return {};
  }
  return state.list(std::move(values));
}

TemplateValue tool_values(RenderState& state, const std::string& tools) {
  if (tools.empty()) return TemplateValue::none();
  std::optional<TemplateValue> value = json_value(state, tools);
  if (value && value->is(TemplateValue::Kind::kList)) return *value;
  return state.refuse("tools is not a list in valid JSON", "tools");
}

std::vector<std::pair<std::string, TemplateValue>> template_arguments(RenderState& state,
                                                                      const std::string& arguments) {
  std::vector<std::pair<std::string, TemplateValue>> named;
  if (arguments.empty()) return named;
  std::optional<TemplateValue> value = json_value(state, arguments);
  if (!value || !value->is(TemplateValue::Kind::kDict)) {
    state.refuse("chat_template_kwargs is not an object in valid JSON", "chat_template_kwargs");
    return named;
  }
  for (const auto& [key, argument] : value->entries()) {
    if (std::find(std::begin(kOwnNames), std::end(kOwnNames), key.as_text()) != std::end(kOwnNames)) {
      state.refuse("chat_template_kwargs must not have '" + key.as_text() + "'", "chat_template_kwargs");
    }
    named.emplace_back(key.as_text(), argument);
  }
  return named;
}

MarkedText cut_after_content(RenderState& state, const MarkedText& rendered, const ChatMessage& message) {
  std::string content = message.parts.empty() ? message.content : joined_parts(message.parts);
  std::string_view wanted = trimmed(content, "", TrimSides::kBoth);
  std::string_view text = rendered.bytes();
  std::size_t at = text.rfind(wanted);
  if (at == std::string_view::npos) {
    state.refuse("continue_final_message: the chat template changes the last message, so it cannot be continued");
    return {};
  }
  std::string_view with_end = trimmed(content, "", TrimSides::kLeft);
  bool keeps_end = text.substr(at, with_end.size()) == with_end;
  return rendered.part(text.substr(0, at + (keeps_end ? with_end.size() : wanted.size())));
}

}  // namespace troupe
