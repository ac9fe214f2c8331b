#include "text/chat_template/chat_template.hpp"

#include <catch2/catch.hpp>

using namespace troupe;

namespace {

ChatPrompt conversation(std::vector<ChatMessage> messages) { return {std::move(messages), true}; }

Result<std::string> render(const std::string& source, const ChatPrompt& prompt = {}) {
  auto compiled = ChatTemplate::compile(source);
  if (!compiled) return compiled.error();
  auto rendered = compiled->render(prompt, {"<B>", "<E>", "", ""});
  if (!rendered) return rendered.error();
  return rendered->bytes();
}

std::string text(const std::string& source, const ChatPrompt& prompt = {}) {
  auto result = render(source, prompt);
  INFO(source);
  if (!result) FAIL_CHECK(result.error().message);
  return result ? *result : "";
}

void require_failure(const std::string& source, ErrorCode code, const std::string& why, const ChatPrompt& prompt = {}) {
  auto result = render(source, prompt);
  INFO(source);
  REQUIRE_FALSE(result.ok());
  INFO(result.error().message);
  CHECK(result.error().code == code);
  CHECK(result.error().message.find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("chat template refuses a conversation in its own words") {
  const char* source =
      "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}{{ m.content }}{% endfor %}";
  require_failure(source, ErrorCode::kInvalidRequest, "Conversation roles must alternate user/assistant",
                  conversation({{"assistant", "x", ""}}));
  CHECK(text(source, conversation({{"user", "a", ""}, {"assistant", "b", ""}})) == "ab");
}

TEST_CASE("chat template with a syntax error is refused with its line") {
  for (auto [source, why] : {std::pair("a\nb {{ x", "line 2: a tag is not closed"),
                             {"{% if x %}", "endif"},
                             {"{% endif %}", "endif"},
                             {"{{ 1 + }}", "unexpected"},
                             {"{{ 'a }}", "a string is not closed"},
                             {"{# a", "a comment is not closed"},
                             {"{% raw %}", "a raw block is not closed"},
                             {"{{ (1 }}", "unexpected '}'"},
                             {"{% for x %}{% endfor %}", "unexpected"},
                             {"{% break %}", "outside of a loop"},
                             {"{% set true = 1 %}", "cannot assign to 'true'"},
                             {"{{ 99999999999999999999 }}", "too large"}}) {
    require_failure(source, ErrorCode::kModelFile, why);
  }
}

TEST_CASE("chat template with a construct we do not have is refused by its name") {
  for (auto [source, why] : {std::pair("{% include 'x' %}", "'include' is not supported"),
                             {"{% extends 'x' %}", "'extends' is not supported"},
                             {"{% block b %}{% endblock %}", "'block' is not supported"},
                             {"{% for (a, (b, c)) in d %}{% endfor %}", "nested unpacking is not supported"},
                             {"{{ x|urlize }}", "filter 'urlize' is not supported"},
                             {"{{ x is escaped }}", "test 'escaped' is not supported"},
                             {"{{ x[1, 2] }}", "several subscripts at once are not supported"},
                             {"{% nonsense %}", "unknown statement 'nonsense'"}}) {
    require_failure(source, ErrorCode::kModelFile, why);
  }
}

TEST_CASE("chat template fails on what is undefined as soon as it is used") {
  CHECK(text("[{{ x }}{{ messages[0] }}{{ {}.k }}{{ 'a' ~ x }}]") == "[a]");
  for (const char* source : {"{{ x.y }}", "{{ x['y'] }}", "{{ 'a' + x }}", "{{ x() }}", "{{ x.y is defined }}"}) {
    require_failure(source, ErrorCode::kInvalidRequest, "'x' is undefined");
  }
  require_failure("{{ messages[0]['role'] }}", ErrorCode::kInvalidRequest, "list object has no element 0");
}

TEST_CASE("chat template gives no way out of the sandbox") {
  for (const char* source :
       {"{{ ''.__class__ }}", "{{ messages.__class__ }}", "{{ ''.format_map }}", "{{ {}.__init__ }}"}) {
    CHECK(text(source).empty());
  }
  require_failure("{{ ''.__class__.__mro__ }}", ErrorCode::kInvalidRequest, "has no attribute");
  require_failure("{{ [].append(1) }}", ErrorCode::kInvalidRequest, "cannot be changed");
  require_failure("{{ {}.update({}) }}", ErrorCode::kInvalidRequest, "cannot be changed");
}

TEST_CASE("chat template controls white space as trim_blocks and lstrip_blocks do") {
  CHECK(text("a\n  {% if true %}\nb\n  {% endif %}\nc\n") == "a\nb\nc");
  CHECK(text("a  {% if true %} b {%- endif %}") == "a   b");
  CHECK(text("a\n  {{- 'x' -}}  \n b") == "axb");
  CHECK(text("a\n  {%+ if true %}b{% endif +%}\nc") == "a\n  b\nc");
  CHECK(text("a\n  {# c #}\nb") == "a\nb");
  CHECK(text("{{ 'x' }}  {% if true %}y{% endif %}") == "x  y");
  CHECK(text("a\r\nb\r\n\r\n") == "a\nb\n");
  CHECK(text("{% raw %} {{ x }} {% endraw %}!") == " {{ x }} !");
}

TEST_CASE("chat template evaluates operators as Python does") {
  for (auto [source, expected] :
       {std::pair("{{ 7//2 }} {{ -7//2 }} {{ -7%3 }} {{ 4/2 }}", "3 -4 2 2.0"),
        {"{{ -2**2 }} {{ -1|abs }} {{ 2**10 }}", "4 1 1024"},
        {"{{ 1 == 1.0 }} {{ 1 < 2 < 3 }} {{ 'a' == 1 }} {{ 3 > 2 > 2 }}", "True True False False"},
        {"{{ 'abc'[::-1] }}{{ 'abc'[-1] }}{{ 'abc'[5] }}{{ 'héé'[1:] }}", "cbacéé"},
        {"{{ true + 1 }} {{ 'x' * 3 }} {{ [1] + [2] }} {{ 1 ~ 2 }}", "2 xxx [1, 2] 12"},
        {"{{ 'a' + ' b '|trim }}|{{ 1 if false }}|{{ none }}", "ab||None"},
        {"{{ 'b' in 'abc' }} {{ 1 not in [1] }} {{ 'k' in {'k': 1} }}", "True False True"},
        {"{{ 1.0 }} {{ 1e20 }} {{ 0.00001 }} {{ 100000.0 }} {{ 0.1 }}", "1.0 1e+20 1e-05 100000.0 0.1"},
        {"{{ [1, 'a', none, true, \"it's\"] }} {{ {'a': (1,)} }}", "[1, 'a', None, True, \"it's\"] {'a': (1,)}"},
        {"{{ not u is defined }} {{ 10 is divisibleby 5 and true }}", "True True"},
        {"{{ 'x' if false else 'y' }} {{ '%s-%d'|format('a', 3) }} {{ '%05.1f' % 2.25 }}", "y a-3 002.2"}}) {
    CHECK(text(source) == expected);
  }
  require_failure("{{ 1 ~ 2 + 3 }}", ErrorCode::kInvalidRequest, "unsupported operand types for +");
  require_failure("{{ 1 < 'a' }}", ErrorCode::kInvalidRequest, "have no order");
  require_failure("{{ 9223372036854775807 + 1 }}", ErrorCode::kInvalidRequest, "too large");
  require_failure("{{ 1 // 0 }}", ErrorCode::kInvalidRequest, "division by zero");
}

TEST_CASE("chat template scopes names as Jinja does") {
  CHECK(text("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 9 %}{% endfor %}{{ x }}") == "111");
  CHECK(text("{% if true %}{% set x = 2 %}{% endif %}{{ x }}") == "2");
  CHECK(text("{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}") ==
        "3");
  CHECK(text("{% macro f(a, b='-') %}{{ a }}{{ b }}{{ g }}{% endmacro %}{% set g = '!' %}{{ f(1) }}{{ f(1, b=2) }}") ==
        "1-!12!");
  CHECK(text("{% set x %}a{{ 1 }}{% endset %}[{{ x }}]{% set y|upper %}b{% endset %}{{ y }}") == "[a1]B");
  CHECK(text("{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}") == "3");
  CHECK(text("{% set a, b = 1, 2 %}{{ b }}{% filter upper %}x{% endfilter %}{% generation %}g{% endgeneration %}") ==
        "2Xg");
}

TEST_CASE("chat template loops know where they are") {
  CHECK(
      text("{% for x in 'abc' %}{{ loop.index }}{{ loop.last }}{{ loop.previtem }}{{ loop.nextitem }},{% endfor %}") ==
      "1Falseb,2Falseac,3Trueb,");
  CHECK(text("{% for x in [1, 2, 3, 4] if x is even %}{{ x }}{{ loop.length }}{{ loop.last }}{% endfor %}") ==
        "22False42True");
  CHECK(text("{% for x in [] %}a{% else %}none{% endfor %}") == "none");
  CHECK(text("{% for k, v in {'a': 1, 'b': 2}.items() if k != 'a' %}{{ k }}{{ v }}{% endfor %}") == "b2");
  CHECK(
      text("{% for x in range(9) %}{% if x == 1 %}{% continue %}{% endif %}{% if x == 4 %}{% break %}{% endif %}{{ x }}"
           "{% endfor %}") == "023");
}

TEST_CASE("chat template looks a name up as an attribute before a key, and a subscript the other way round") {
  CHECK(text("{% set m = {'items': 7, 'x': 1} %}{{ m['items'] }}{{ m.x }}{{ m.items() | length }}") == "712");
  CHECK(text("{{ {'a': 1}.get('b', 2) }}{{ {'a': 1}.get('b') }}") == "2None");
}

TEST_CASE("chat template has the methods of texts that model templates use") {
  CHECK(text("{{ 'a</think>\n b'.split('</think>')[-1].lstrip('\\n') }}") == " b");
  CHECK(text("{{ ' a  b '.split() }}{{ 'a,b,c'.split(',', 1) }}{{ 'a,b,c'.rsplit(',', 1) }}") ==
        "['a', 'b']['a', 'b,c']['a,b', 'c']");
  CHECK(text("{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x', 'c')) }}{{ 'aXa'.replace('a', 'b') }}") ==
        "TrueTruebXb");
  CHECK(text("{{ \"it's\"|title }} {{ \"it's\".title() }} {{ 'éA'.upper() }} {{ 'aB'|capitalize }}") ==
        "It's It'S ÉA Ab");
  CHECK(text("{{ 'x\u00a0'.strip() }}{{ '--x-'.strip('-') }}{{ '-'.join(['a', 'b']) }}{{ 'éa'.find('a') }}") ==
        "xxa-b1");
}

TEST_CASE("chat template has the filters and tests that model templates use") {
  CHECK(text("{{ [1, 2]|join(', ') }}{{ x|default('d') }}{{ none|default('d') }}{{ ''|default('e', true) }}") ==
        "1, 2dNonee");
  CHECK(text("{{ ['b', 'A', 'a', 'B']|sort|join }}{{ [3, 1]|sort(reverse=true)|first }}{{ 'ab'|list|last }}") ==
        "AabB3b");
  CHECK(
      text("{{ [{'r': 'u', 'n': 1}, {'r': 'a', 'n': 2}]|selectattr('r', 'equalto', 'a')|map(attribute='n')|list }}") ==
      "[2]");
  CHECK(text("{{ 'x'|int }}{{ 'x'|int(7) }}{{ '12'|int + 1 }}{{ {'b': 1, 'a': 2}|dictsort }}") ==
        "0713[('a', 2), ('b', 1)]");
  CHECK(text("{{ 'a\nb'|indent(2) }}{{ u|items|list }}{{ 'é'|length }}{{ u|length }}") == "a\n  b[]10");
  CHECK(text("{{ 'a' is string }}{{ {} is mapping }}{{ {} is sequence }}{{ 1 is iterable }}{{ none is none }}"
             "{{ 1 is not none }}{{ false is false }}") == "TrueTrueTrueFalseTrueTrueTrue");
}

TEST_CASE("chat template writes JSON as Python's json.dumps does") {
  CHECK(text("{{ {'a': [1, 1.5, none, true], 'é': '\"\\n\\x01'}|tojson }}") ==
        "{\"a\": [1, 1.5, null, true], \"é\": \"\\\"\\n\\u0001\"}");
  CHECK(text("{{ {'a': [1, {}], 'b': []}|tojson(indent=2) }}") ==
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
  require_failure("{{ u|tojson }}", ErrorCode::kInvalidRequest, "'u' is undefined");
}

TEST_CASE("chat template renders Gemma's, Qwen's and Mistral's constructs") {
  const char* gemma =
      "{{ bos_token }}\n{%- if messages[0]['role'] == 'system' -%}\n{%- set first_user_prefix = messages[0]['content'] "
      "+ "
      "'\n\n' -%}\n{%- set loop_messages = messages[1:] -%}\n{%- else -%}\n{%- set first_user_prefix = \"\" -%}\n{%- "
      "set "
      "loop_messages = messages -%}\n{%- endif -%}\n{%- for message in loop_messages -%}\n{%- if (message['role'] == "
      "'user') != (loop.index0 % 2 == 0) -%}\n{{ raise_exception(\"Conversation roles must alternate\") }}\n{%- endif "
      "-%}\n"
      "{%- if (message['role'] == 'assistant') -%}\n{%- set role = \"model\" -%}\n{%- else -%}\n{%- set role = "
      "message['role'] -%}\n{%- endif -%}\n{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "
      "\"\") }}\n{%- if message['content'] is string -%}\n{{ message['content'] | trim }}\n{%- endif -%}\n{{ "
      "'<end_of_turn>\n' }}\n{%- endfor -%}\n{%- if add_generation_prompt -%}\n{{'<start_of_turn>model\n'}}\n{%- endif "
      "-%}\n";
  ChatPrompt b =
      conversation({{"system", "Be brief.", ""}, {"user", "Hi ", ""}, {"assistant", "Yo", ""}, {"user", "Again", ""}});
  CHECK(text(gemma, b) ==
        "<B><start_of_turn>user\nBe "
        "brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nYo<end_of_turn>\n<start_of_turn>user\n"
        "Again<end_of_turn>\n<start_of_turn>model\n");
  const char* last_user =
      "{%- set ns = namespace(last=-1) %}{%- for m in messages[::-1] %}{%- set index = (messages|length - 1) - "
      "loop.index0 "
      "%}{%- if ns.last < 0 and m.role == \"user\" %}{%- set ns.last = index %}{%- endif %}{%- endfor %}{{ ns.last }}";
  CHECK(text(last_user, b) == "3");
  const char* nemo =
      "{%- set users = messages | selectattr(\"role\", \"equalto\", \"user\") | list %}{%- for m in messages %}{%- if "
      "m[\"role\"] == \"user\" %}{%- if m == users[-1] %}{{ \"[LAST]\" }}{%- endif %}{{- m.content }}{%- elif m.role "
      "== "
      "\"assistant\" %}{{- m.content + eos_token }}{%- endif %}{%- endfor %}";
  CHECK(text(nemo, b) == "Hi Yo<E>[LAST]Again");
}
