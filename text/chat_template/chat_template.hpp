#pragma once
// A model's chat template: Jinja2 as Hugging Face renders it (trim_blocks, lstrip_blocks, sandboxed). Compiled once,
// rendered from any thread.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/marked_text.hpp"

namespace troupe {

// What bos_token and its like are in the template; empty ones are undefined there.
struct ChatTemplateTokens {
  std::string bos;
  std::string eos;
  std::string unknown;
  std::string padding;
};

class ChatTemplate {
 public:
  // kModelFile, with the line, for a syntax error and for what we do not support.
  static Result<ChatTemplate> compile(std::string source);

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // kInvalidRequest when the template refuses the conversation (its own words), or fails, or takes too long.
  // What comes from the messages is marked in it, but for the names of roles that every template knows.
  // now_s: what the template takes for the time, in seconds since 1970; absent: the clock's.
  Result<MarkedText> render(const ChatPrompt& prompt, const ChatTemplateTokens& tokens,
                            const TemplateLimits& limits = {}, std::optional<std::int64_t> now_s = {}) const;

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace troupe
