// What becomes of a conversation before its template sees it: parts, calls, tools, roles, arguments, continuations.
#include <catch2/catch.hpp>

#include "text/chat_template/chat_template.hpp"

using namespace troupe;

namespace {

Result<MarkedText> rendered(const std::string& source, const ChatPrompt& prompt,
                            std::optional<std::int64_t> now_s = {}) {
  auto compiled = ChatTemplate::compile(source);
  if (!compiled) return compiled.error();
  return compiled->render(prompt, {"<B>", "<E>", "", ""}, {}, now_s);
}

std::string text(const std::string& source, const ChatPrompt& prompt) {
  INFO(source);
  auto made = rendered(source, prompt);
  if (!made) FAIL(made.error().message);
  return made->bytes();
}

Error refusal(const std::string& source, const ChatPrompt& prompt) {
  INFO(source);
  auto made = rendered(source, prompt);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == ErrorCode::kInvalidRequest);
  return made.error();
}

ChatMessage in_parts(std::vector<std::string> parts) {
  ChatMessage message{"user", "", ""};
  message.parts = std::move(parts);
  return message;
}

ChatMessage calling(std::string arguments, std::string content = "") {
  ChatMessage message{"assistant", std::move(content), ""};
  message.tool_calls.push_back({"abcdefghi", "f", std::move(arguments)});
  return message;
}

}  // namespace

TEST_CASE("a content in parts is joined by newlines, unless the template goes over the parts") {
  const ChatPrompt prompt{{in_parts({"a", "b"})}};
  for (const char* source : {"{{ messages[0].content }}", "{{ messages[0]['content'] | trim }}",
                             "{% for m in messages %}{{ m.content }}{% endfor %}",
                             "{% for content in messages %}{{ content.content | upper | lower }}{% endfor %}"}) {
    CHECK(text(source, prompt) == "a\nb");
  }
  for (const char* source : {"{% for p in messages[0].content %}{{ p.type }}:{{ p.text }};{% endfor %}",
                             "{% for p in messages[0]['content'] %}{{ p.type }}:{{ p.text }};{% endfor %}",
                             "{% macro f(content) %}{% for p in content %}{{ p.type }}:{{ p['text'] }};{% endfor %}"
                             "{% endmacro %}{{ f(messages[0].content) }}",
                             "{% set m = messages[0] %}{% if m.content is not string %}{% for p in m.content %}"
                             "{{ 'text' }}:{{ p.text }};{% endfor %}{% endif %}",
                             "{{ messages[0].content | map(attribute='type') | first }}:a;text:b;"}) {
    CHECK(text(source, prompt) == "text:a;text:b;");
  }
  // A string stays one, whatever the template would do with parts.
  CHECK(text("{{ messages[0].content is string }}{% for p in messages[0].content %}{% endfor %}",
             {{{"user", "a", ""}}}) == "True");
}

TEST_CASE("a call's arguments are an object where they are one, and the string they came as where they are none") {
  const char* source = "{{ messages[0].tool_calls[0].function.arguments | tojson }}";
  CHECK(text(source, {{calling(R"({"x": 1, "é": [null, true, 1.5e3, "\u00e9\ud83d\ude42\n"]})")}}) ==
        "{\"x\": 1, \"é\": [null, true, 1500.0, \"é🙂\\n\"]}");
  CHECK(text(source, {{calling("")}}) == "{}");
  CHECK(text(source, {{calling("{}")}}) == "{}");
  CHECK(text(source, {{calling(R"({"a": 1, "b": 2, "a": 3})")}}) == R"({"a": 3, "b": 2})");  // as json.loads has it
  for (const char* kept :
       {"{x: 1}", "{\"x\": }", "{\"x\": 01}", "{\"x\": 1.}", "{\"x\": +1}", "{\"x\": NaN}", "{,}", "{\"x\": 1,}",
        "{\"x\" 1}", "{\"x\": 1} {}", "{\"x\": '1'}", "{\"x\": \"\\x41\"}", "{\"x\": tru}", "{\"x\": \"\\ud800\"}",
        "{\"x\": 99999999999999999999}", "{\"x\": 1e999}", "[1]", "nonsense"}) {
    INFO(kept);
    CHECK(text("{{ messages[0].tool_calls[0].function.arguments }}", {{calling(kept)}}) == kept);
  }
  std::string deep = "{\"x\":" + std::string(70, '[') + std::string(70, ']') + "}";
  CHECK(text("{{ messages[0].tool_calls[0].function.arguments }}", {{calling(deep)}}) == deep);
}

TEST_CASE("a message with calls has them as the API writes them, and no content where the template asks for none") {
  CHECK(text("{{ messages[0] | tojson }}", {{calling("{\"x\": 1}")}}) ==
        R"({"role": "assistant", "content": "", "tool_calls": [{"id": "abcdefghi", "type": "function", )"
        R"("function": {"name": "f", "arguments": {"x": 1}}}]})");
  CHECK(text("{{ 'none' if messages[0].content is none else 'text' }}", {{calling("{}")}}) == "none");
  CHECK(text("{% if messages[0]['content'] is not none %}text{% endif %}", {{calling("{}", "hm")}}) == "text");
  CHECK(text("{{ 'none' if messages[0].content is none else 'text' }}", {{{"assistant", "", ""}}}) == "text");
  ChatMessage answer{"tool", "2", "f"};
  answer.tool_call_id = "abcdefghi";
  answer.reasoning = "why";
  CHECK(text("{{ messages[0] | tojson }}", {{answer}}) ==
        R"({"role": "tool", "content": "2", "name": "f", "reasoning_content": "why", "tool_call_id": "abcdefghi"})");
}

TEST_CASE("the developer is the system to a template that does not know the word") {
  const ChatPrompt prompt{{{"developer", "x", ""}}};
  CHECK(text("{{ messages[0].role }}", prompt) == "system");
  CHECK(text("{{ messages[0].role }}{# developer #}", prompt) == "developer");
}

TEST_CASE("tools and a template's own arguments are there by their names") {
  ChatPrompt prompt{{{"user", "x", ""}}};
  CHECK(text("{{ tools }}{{ documents }}{{ enable_thinking is defined }}", prompt) == "NoneNoneFalse");
  prompt.tools = R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])";
  prompt.template_arguments = R"({"enable_thinking": false, "date_string": "26 Jul 2024", "bos_token": "<x>"})";
  CHECK(text("{% for t in tools %}{{ t | tojson }}{% endfor %}", prompt) ==
        R"({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}})");
  CHECK(text("{{ enable_thinking is false }}{{ date_string }}{{ bos_token }}{{ eos_token }}", prompt) ==
        "True26 Jul 2024<x><E>");
}

TEST_CASE("tools and arguments that are none are refused by name") {
  for (const char* tools : {"{}", "[", "\"x\"", "[1] [2]"}) {
    ChatPrompt prompt{{{"user", "x", ""}}};
    prompt.tools = tools;
    CHECK(refusal("{{ tools }}", prompt).param == "tools");
  }
  for (const char* arguments :
       {"[]", "{", "5", R"({"messages": []})", R"({"tools": 1})", R"({"add_generation_prompt": 1})",
        R"({"documents": 1})", R"({"chat_template": "x"})"}) {
    ChatPrompt prompt{{{"user", "x", ""}}};
    prompt.template_arguments = arguments;
    CHECK(refusal("x", prompt).param == "chat_template_kwargs");
  }
}

TEST_CASE("a message that is continued is the end of the prompt, with its spaces where the template keeps them") {
  const char* keeps = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}{{ add_generation_prompt }}";
  const char* trims = "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}";
  ChatPrompt prompt{{{"user", "ab", ""}, {"assistant", " ab ", ""}}};
  prompt.continue_final_message = true;
  CHECK(text(keeps, prompt) == "<user>ab</><assistant> ab ");
  CHECK(text(trims, prompt) == "<user>ab</><assistant>ab");
  prompt.messages.back().content = "xab";
  CHECK(text(keeps, prompt) == "<user>ab</><assistant>xab");
  CHECK(refusal("{% for m in messages %}{{ m.role }}{% endfor %}", prompt).message.find("cannot be continued") !=
        std::string::npos);
  // Without it the same template is told of a generation prompt.
  prompt.continue_final_message = false;
  CHECK(text(keeps, prompt) == "<user>ab</><assistant>xab</>True");
}

TEST_CASE("strftime_now writes the time that it is given") {
  constexpr std::int64_t kNoon = 1721995200;  // 2024-07-26 12:00:00 UTC: the 26th in nearly every time zone
  auto at_noon = [&](const std::string& format) {
    auto made = rendered("{{ strftime_now('" + format + "') }}", {}, kNoon);
    return made ? made->bytes() : made.error().message;
  };
  CHECK(at_noon("%d %b %Y") == "26 Jul 2024");
  CHECK(at_noon("%A, %a, %B, %m/%e/%y, day %j, 100 %%") == "Friday, Fri, July, 07/26/24, day 208, 100 %");
  CHECK(at_noon("%F") == "2024-07-26");
  CHECK(at_noon("é%Q").find("is not supported") != std::string::npos);
  CHECK(at_noon("%").find("is not supported") != std::string::npos);
  CHECK(at_noon("%99999999Y").find("is not supported") != std::string::npos);
  auto today = rendered("{{ strftime_now('%Y') | int > 2024 }}", {});
  CHECK(today->bytes() == "True");
}

TEST_CASE("contract 9: everything that comes with a request is marked, wherever the template takes it from") {
  auto marked = [](const std::string& source, const ChatPrompt& prompt) {
    auto made = rendered(source, prompt);
    INFO(source);
    if (!made) FAIL(made.error().message);
    std::string shown;
    made->for_each_run([&](std::string_view run, bool is_marked) {
      shown += is_marked ? "[" + std::string(run) + "]" : std::string(run);
    });
    return shown;
  };
  ChatPrompt prompt{{in_parts({"p"}), calling("{\"k\": [\"v\"], \"i\": 1}"), calling("no JSON")}};
  prompt.messages[1].reasoning = "r";
  prompt.messages[2].tool_call_id = "t";
  prompt.tools = R"([{"name": "tool"}])";
  prompt.template_arguments = R"({"argument": "a"})";
  CHECK(marked("<{{ messages[0].content }}>", prompt) == "<[p]>");
  CHECK(marked("{% for p in messages[0].content %}<{{ p.type }}{{ p.text }}>{% endfor %}", prompt) == "<text[p]>");
  CHECK(marked("{% set c = messages[1].tool_calls[0] %}<{{ c.id }}|{{ c.type }}|{{ c.function.name }}>", prompt) ==
        "<[abcdefghi]|function|[f]>");
  CHECK(marked("{% for k, v in messages[1].tool_calls[0].function.arguments.items() %}<{{ k }}{{ v[0] }}>{% endfor %}",
               {{calling(""), calling("{\"k\": [\"v\"]}")}}) == "<[kv]>");
  CHECK(marked("{{ messages[1].tool_calls[0].function.arguments | tojson }}", prompt) ==
        "{[\"k\"]: [[\"v\"]], [\"i\"]: 1}");
  CHECK(marked("<{{ messages[2].tool_calls[0].function.arguments }}>", prompt) == "<[no JSON]>");
  CHECK(marked("<{{ messages[1].reasoning_content }}{{ messages[2].tool_call_id }}>", prompt) == "<[rt]>");
  CHECK(marked("<{{ tools[0].name }}{{ argument }}>", prompt) == "<[toola]>");
  CHECK(marked("<{{ strftime_now('%%' + argument) }}{{ '{}-{}'.format(argument, 'x') }}>", prompt) == "<[%aa]-x>");
  CHECK(
      marked("<{{ argument | urlencode }}{{ argument.removeprefix('z') }}{{ 'ab' | truncate(1, true, argument, 0) }}>",
             prompt) == "<[aaa]>");
  CHECK(marked("<{{ [1, 2] | tojson(separators=(argument, ':')) }}{{ [1] | batch(2, argument) | list }}>", prompt) ==
        "<[1[a]2][[1, ['a']]]>");
  CHECK(marked("{% macro f() %}<{{ caller(argument) }}{{ kwargs.k }}>{% endmacro %}{% call(x) f(k=argument) %}{{ x }}"
               "{% endcall %}",
               prompt) == "<[aa]>");
  prompt.continue_final_message = true;
  prompt.messages = {{"user", "x", ""}, {"assistant", "yes", ""}};
  CHECK(marked("{% for m in messages %}<{{ m.content }}>{% endfor %}", prompt) == "<[x]><[yes]");
}
