// Renders templates from the standard input to the standard output, for jinja_differential.py: each template as a line
// with its length in bytes and then the bytes; each answer as "ok LENGTH" or "model LENGTH" or "request LENGTH" and
// then the text or the message.
#include <iostream>
#include <string>

#include "text/chat_template/chat_template.hpp"

int main() {
  using namespace troupe;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string source(std::stoul(line), '\0');
    std::cin.read(source.data(), static_cast<std::streamsize>(source.size()));
    auto compiled = ChatTemplate::compile(source);
    Result<MarkedText> text = compiled ? compiled->render({}, {}) : Result<MarkedText>(compiled.error());
    std::string answer = text ? text->bytes() : text.error().message;
    const char* kind = text ? "ok" : compiled ? "request" : "model";
    std::cout << kind << ' ' << answer.size() << '\n' << answer;
  }
}
