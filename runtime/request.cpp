#include "runtime/request.hpp"

#include "runtime/metric_labels.hpp"

namespace troupe {

std::size_t bytes_of(const PromptInput& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return text->size();
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&prompt)) return tokens->size() * sizeof(TokenId);
  const ChatPrompt& chat = std::get<ChatPrompt>(prompt);
  std::size_t bytes = chat.tools.size() + chat.template_arguments.size();
  for (const ChatMessage& message : chat.messages) {
    bytes += sizeof(ChatMessage) + message.role.size() + message.content.size() + message.name.size() +
             message.tool_call_id.size() + message.reasoning.size();
    for (const std::string& part : message.parts) bytes += sizeof(std::string) + part.size();
    for (const ChatToolCall& call : message.tool_calls)
      bytes += sizeof(ChatToolCall) + call.id.size() + call.name.size() + call.arguments.size();
  }
  return bytes;
}

// One table of words for the wire, the log and the metrics.
const char* name_of(FinishReason reason) { return label_values(reason)[static_cast<std::size_t>(reason)]; }
const char* name_of(CancelReason reason) { return label_values(reason)[static_cast<std::size_t>(reason)]; }
const char* name_of(Stage stage) { return label_values(stage)[static_cast<std::size_t>(stage)]; }
const char* name_of(ErrorCode code) { return label_values(code)[static_cast<std::size_t>(code)]; }

}  // namespace troupe
