// A chat template and a conversation for it. The bytes: the template; after the first zero byte the conversation, a
// line each (test/text/conversation.hpp; lines that say nothing are skipped).
#include "runtime/check.hpp"
#include "test/text/conversation.hpp"
#include "text/chat_template/chat_template.hpp"
#include "text/utf8.hpp"

namespace troupe::test {
namespace {

// A zero in the escapes of a line is no fault of the template's.
ChatPrompt read_lines(std::string_view lines) {
  ChatPrompt prompt;
  while (!lines.empty()) {
    std::size_t end = std::min(lines.find('\n'), lines.size());
    try {
      read_conversation_line(std::string(lines.substr(0, end)), prompt);
    } catch (const std::exception&) {  // an escape that is none
    }
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
  return prompt;
}

void check_marks(const MarkedText& text) {
  TROUPE_CHECK(!find_invalid_utf8(text.bytes()), "a rendering is UTF-8");
  std::size_t at = 0;
  for (const ByteRange& mark : text.marks()) {
    TROUPE_CHECK(mark.begin >= at && mark.begin < mark.end && mark.end <= text.bytes().size(), "marks are in order");
    at = mark.end + 1;
  }
}

}  // namespace
}  // namespace troupe::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace troupe;
  const std::string_view input(reinterpret_cast<const char*>(bytes), size);
  const std::size_t zero = std::min(input.find('\0'), input.size());
  auto compiled = ChatTemplate::compile(std::string(input.substr(0, zero)));
  if (!compiled) {
    TROUPE_CHECK(compiled.error().code == ErrorCode::kModelFile && !compiled.error().message.empty(), "a clear error");
    return 0;
  }
  const ChatPrompt prompt = test::read_lines(input.substr(std::min(zero + 1, input.size())));
  TemplateLimits limits;
  limits.steps = 100'000;
  limits.output_bytes = 1U << 18;
  limits.value_bytes = 1U << 22;
  limits.time = std::chrono::seconds(30);  // so that steps, not the clock, end a rendering: the same every time
  auto text = compiled->render(prompt, {"<B>", "<E>", "", ""}, limits, 1721995200);
  auto again = compiled->render(prompt, {"<B>", "<E>", "", ""}, limits, 1721995200);
  TROUPE_CHECK(text.ok() == again.ok(), "a template gives the same every time");
  if (!text) {
    TROUPE_CHECK(text.error().code == ErrorCode::kInvalidRequest && text.error().message == again.error().message,
                 "a clear error, the same every time");
    return 0;
  }
  TROUPE_CHECK(text->bytes() == again->bytes(), "a template gives the same every time");
  TROUPE_CHECK(text->bytes().size() <= limits.output_bytes, "a rendering is not longer than allowed");
  test::check_marks(*text);
  return 0;
}
