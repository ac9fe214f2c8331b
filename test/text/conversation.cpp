#include "test/text/conversation.hpp"

#include <sstream>
#include <stdexcept>

namespace troupe::test {

std::string unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out.push_back(text[i]);
      continue;
    }
    char c = text.at(++i);
    if (c == 'x') {
      out.push_back(static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)));
      i += 2;
    } else {
      out.push_back(c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
    }
  }
  return out;
}

namespace {

// The text up to the next space, which is taken too.
std::string word(std::string& rest) {
  std::size_t end = rest.find(' ');
  std::string first = rest.substr(0, end);
  rest = end == std::string::npos ? std::string() : rest.substr(end + 1);
  return first;
}

}  // namespace

bool read_conversation_line(const std::string& line, ChatPrompt& prompt) {
  std::string rest = line;
  const std::string key = word(rest);
  if (key == "message") {
    ChatMessage& message = prompt.messages.emplace_back();
    message.role = unescaped(word(rest));
    message.content = unescaped(rest);
    return true;
  }
  if (key == "tools") return prompt.tools = unescaped(rest), true;
  if (key == "arguments") return prompt.template_arguments = unescaped(rest), true;
  if (key == "no_generation") return prompt.add_generation_prompt = false, true;
  if (key == "continue") return prompt.continue_final_message = true, true;
  if (prompt.messages.empty()) return false;
  ChatMessage& message = prompt.messages.back();
  if (key == "part") return message.parts.push_back(unescaped(rest)), true;
  if (key == "name") return message.name = unescaped(rest), true;
  if (key == "reasoning") return message.reasoning = unescaped(rest), true;
  if (key == "answers") return message.tool_call_id = unescaped(rest), true;
  if (key != "call") return false;
  ChatToolCall call;
  call.id = unescaped(word(rest));
  call.name = unescaped(word(rest));
  call.arguments = unescaped(rest);
  message.tool_calls.push_back(std::move(call));
  return true;
}

ChatPrompt read_conversation(const std::string& lines) {
  ChatPrompt prompt;
  std::istringstream in(lines);
  for (std::string line; std::getline(in, line);) {
    if (!read_conversation_line(line, prompt)) throw std::runtime_error("no line of a conversation: " + line);
  }
  return prompt;
}

}  // namespace troupe::test
