// Renders templates from the standard input to the standard output, for jinja_differential.py: each as a line with two
// lengths in bytes, then the template and the conversation (conversation.hpp) of these lengths; each answer as "ok
// LENGTH" or "model LENGTH" or "request LENGTH" and then the text or the message.
//   render_templates [SECONDS]    what the time is, since 1970
#include <iostream>
#include <string>

#include "test/text/conversation.hpp"
#include "text/chat_template/chat_template.hpp"

int main(int argc, char** argv) {
  using namespace troupe;
  std::optional<std::int64_t> now_s;
  if (argc > 1) now_s = std::stoll(argv[1]);
  std::size_t source_bytes = 0, conversation_bytes = 0;
  while (std::cin >> source_bytes >> conversation_bytes) {
    std::cin.get();
    std::string source(source_bytes, '\0'), conversation(conversation_bytes, '\0');
    std::cin.read(source.data(), static_cast<std::streamsize>(source.size()));
    std::cin.read(conversation.data(), static_cast<std::streamsize>(conversation.size()));
    auto compiled = ChatTemplate::compile(source);
    ChatPrompt prompt = test::read_conversation(conversation);
    Result<MarkedText> text =
        compiled ? compiled->render(prompt, {"<B>", "<E>", "", ""}, {}, now_s) : Result<MarkedText>(compiled.error());
    std::string answer = text ? text->bytes() : text.error().message;
    const char* kind = text ? "ok" : compiled ? "request" : "model";
    std::cout << kind << ' ' << answer.size() << '\n' << answer;
  }
}
