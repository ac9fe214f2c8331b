#include "text/chat_template/chat_template.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "runtime/chat_roles.hpp"
#include "text/chat_template/evaluator.hpp"
#include "text/chat_template/template_parser.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

// '<|' + role + '|>' is how some templates write their control tokens, so the known roles must be able to take part.
MarkedText role_text(const std::string& role) {
  bool is_known = std::find(std::begin(kChatRoles), std::end(kChatRoles), role) != std::end(kChatRoles);
  return is_known ? MarkedText(role) : MarkedText::of_message(role);
}

}  // namespace

struct ChatTemplate::Program {
  StatementList statements;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::compile(std::string source) {
  Result<StatementList> statements = parse_template(std::move(source));
  if (!statements) return statements.error();
  return ChatTemplate(std::make_unique<const Program>(Program{std::move(*statements)}));
}

Result<MarkedText> ChatTemplate::render(const ChatPrompt& prompt, const ChatTemplateTokens& tokens,
                                        const TemplateLimits& limits) const {
  RenderState state(limits);
  std::vector<TemplateValue> messages;
  for (const ChatMessage& message : prompt.messages) {
    for (const std::string* text : {&message.role, &message.content, &message.name}) {
      if (!find_invalid_utf8(*text)) continue;
      return Error{ErrorCode::kInvalidRequest, "a message is not valid UTF-8", "messages", 0};
    }
    std::vector<TemplateEntry> entries;
    entries.emplace_back(TemplateValue::text("role"), state.text(role_text(message.role)));
    entries.emplace_back(TemplateValue::text("content"), state.text(MarkedText::of_message(message.content)));
    if (!message.name.empty()) {
      entries.emplace_back(TemplateValue::text("name"), state.text(MarkedText::of_message(message.name)));
    }
    messages.push_back(state.dict(std::move(entries)));
  }
  TemplateEvaluator evaluator(state);
  evaluator.define("messages", state.list(std::move(messages)));
  evaluator.define("add_generation_prompt", TemplateValue::boolean(prompt.add_generation_prompt));
  evaluator.define("tools", TemplateValue::none());
  evaluator.define("documents", TemplateValue::none());
  auto define_token = [&](std::string_view name, const std::string& text) {
    if (!text.empty() && !find_invalid_utf8(text)) evaluator.define(name, TemplateValue::text(text));
  };
  define_token("bos_token", tokens.bos);
  define_token("eos_token", tokens.eos);
  define_token("unk_token", tokens.unknown);
  define_token("pad_token", tokens.padding);
  MarkedText text = evaluator.render(program_->statements);
  if (state.failed()) return state.error();
  return text;
}

}  // namespace troupe
