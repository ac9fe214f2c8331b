#include "text/chat_template/chat_template.hpp"

#include <utility>

#include "text/chat_template/chat_values.hpp"
#include "text/chat_template/evaluator.hpp"
#include "text/chat_template/template_parser.hpp"
#include "text/chat_template/template_traits.hpp"
#include "text/utf8.hpp"

namespace troupe {

struct ChatTemplate::Program {
  StatementList statements;
  TemplateTraits traits;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::compile(std::string source) {
  Result<StatementList> statements = parse_template(source);
  if (!statements) return statements.error();
  TemplateTraits traits = traits_of(*statements, source);
  return ChatTemplate(std::make_unique<const Program>(Program{std::move(*statements), traits}));
}

Result<MarkedText> ChatTemplate::render(const ChatPrompt& prompt, const ChatTemplateTokens& tokens,
                                        const TemplateLimits& limits, std::optional<std::int64_t> now_s) const {
  RenderState state(limits, now_s);
  TemplateValue messages = message_values(state, prompt.messages, program_->traits);
  TemplateValue tools = tool_values(state, prompt.tools);
  auto arguments = template_arguments(state, prompt.template_arguments);  // the evaluator refers to their names
  if (state.failed()) return state.error();
  TemplateEvaluator evaluator(state);
  auto define_token = [&](std::string_view name, const std::string& text) {
    if (!text.empty() && !find_invalid_utf8(text)) evaluator.define(name, TemplateValue::text(text));
  };
  define_token("bos_token", tokens.bos);
  define_token("eos_token", tokens.eos);
  define_token("unk_token", tokens.unknown);
  define_token("pad_token", tokens.padding);
  for (auto& [name, value] : arguments) evaluator.define(name, std::move(value));
  evaluator.define("messages", std::move(messages));
  evaluator.define("tools", std::move(tools));
  evaluator.define("documents", TemplateValue::none());
  bool continues = prompt.continue_final_message && !prompt.messages.empty();
  evaluator.define("add_generation_prompt", TemplateValue::boolean(prompt.add_generation_prompt && !continues));
  MarkedText text = evaluator.render(program_->statements);
  if (continues && !state.failed()) text = cut_after_content(state, text, prompt.messages.back());
  if (state.failed()) return state.error();
  return text;
}

}  // namespace troupe
