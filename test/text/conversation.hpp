#pragma once
// Conversations as lines of text, for fixtures and for render_templates:
//   message ROLE TEXT    a message; the lines below add to it
//   part TEXT            of its content, when that comes in parts
//   name TEXT, reasoning TEXT, call ID NAME ARGUMENTS, answers ID
//   tools JSON, arguments JSON, no_generation, continue    of the whole
// Texts are escaped as in Python: \\ \n \r \t \xHH.
#include <string>
#include <string_view>

#include "runtime/request.hpp"

namespace troupe::test {

std::string unescaped(const std::string& text);

// Adds what a line says to the prompt; false when it says nothing of a conversation.
bool read_conversation_line(const std::string& line, ChatPrompt& prompt);

ChatPrompt read_conversation(const std::string& lines);  // all of them; throws for a line that is none

}  // namespace troupe::test
