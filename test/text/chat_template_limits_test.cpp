// Hostile templates end with an error: none hangs, overflows the stack or takes the memory.
#include <catch2/catch.hpp>
#include <chrono>

#include "text/chat_template/chat_template.hpp"

using namespace troupe;

namespace {

std::string repeated(const std::string& unit, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += unit;
  return out;
}

void require_stopped(const std::string& source, const TemplateLimits& limits = {}) {
  INFO(source.substr(0, 200));
  auto begin = std::chrono::steady_clock::now();
  auto compiled = ChatTemplate::compile(source);
  if (compiled) {
    auto text = compiled->render({{{"user", std::string(100'000, 'a'), ""}}, true}, {}, limits);
    REQUIRE_FALSE(text.ok());
    CHECK(text.error().code == ErrorCode::kInvalidRequest);
  } else {
    CHECK(compiled.error().code == ErrorCode::kModelFile);
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
}

}  // namespace

TEST_CASE("chat template that nests without end is refused, not recursed into") {
  for (std::size_t times : {200, 100'000}) {
    require_stopped("{{ " + repeated("(", times) + "1" + repeated(")", times) + " }}");
    require_stopped("{{ " + repeated("[", times) + " }}");
    require_stopped("{{ " + repeated("{1:", times) + " }}");
    require_stopped("{{ " + repeated("-", times) + "1 }}");
    require_stopped("{{ " + repeated("not ", times) + "1 }}");
    require_stopped("{{ 1" + repeated("+1", times) + " }}");
    require_stopped("{{ x" + repeated(".a", times) + " }}");
    require_stopped("{{ x" + repeated("[0]", times) + " }}");
    require_stopped("{{ x" + repeated("|string", times) + " }}");
    require_stopped("{{ 1" + repeated(" if 1 else 1", times) + " }}");
    require_stopped(repeated("{% if 1 %}", times) + repeated("{% endif %}", times));
    require_stopped(repeated("{% for x in y %}", times));
  }
}

TEST_CASE("chat template that recurses or loops without end is stopped") {
  require_stopped("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  require_stopped("{% macro f(n) %}{% for i in [1, 2] %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f(1) }}");
  require_stopped("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}");
  require_stopped("{% for a in range(200000) %}{% endfor %}");
}

TEST_CASE("chat template that takes too much memory is stopped") {
  require_stopped("{{ 'a' * 1000000000 }}");
  require_stopped("{{ [1] * 1000000000 }}");
  require_stopped("{{ ('a' * 100000).replace('a', 'a' * 100000) }}");
  require_stopped("{{ ''.join(['a' * 1000000] * 1000) }}");
  require_stopped("{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}");
  require_stopped(
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}");
  require_stopped("{% set ns = namespace(x=[1]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}");
  require_stopped(
      "{% set ns = namespace(x=1) %}{% for i in range(9999) %}{% for j in [ns.x] %}{% set ns.x = loop %}"
      "{% endfor %}{% endfor %}");
  require_stopped("{% for i in range(99999) %}{{ messages[0].content }}{% endfor %}");
  require_stopped("{{ '%999999999d' % 1 }}");
  require_stopped("{{ [1]|tojson(indent=1000000) }}");
  require_stopped("{{ 'a\nb'|indent(1000000) }}");
}

TEST_CASE("chat template that searches and sorts without end is stopped") {
  TemplateLimits limits;
  limits.steps = 1'000'000;
  require_stopped("{% for i in range(99999) %}{% if 'aaaaaaaab' in messages[0].content %}{% endif %}{% endfor %}",
                  limits);
  require_stopped("{% for i in range(9999) %}{% if range(9999)|sort %}{% endif %}{% endfor %}", limits);
  require_stopped("{{ range(99999)|unique|list }}", limits);
}

TEST_CASE("chat template is stopped by the clock where steps are cheap") {
  TemplateLimits limits;
  limits.steps = ~std::uint64_t{0} >> 1;
  limits.time = std::chrono::milliseconds(20);
  require_stopped("{% for a in range(99999) %}{% for b in range(99) %}{% set c = b %}{% endfor %}{% endfor %}", limits);
}

TEST_CASE("chat template whose namespaces refer to each other leaks nothing") {
  auto compiled = ChatTemplate::compile(
      "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{% set a.l = [a, b] %}"
      "{% macro f() %}x{% endmacro %}{% set a.f = f %}{{ a.b.a.f() }}");
  REQUIRE(compiled.ok());
  CHECK(compiled->render({}, {})->bytes() == "x");
}

TEST_CASE("chat template's macro cannot outlive the block it closes over") {
  auto compiled = ChatTemplate::compile(
      "{% set ns = namespace() %}{% for i in [1] %}{% macro f() %}{{ i }}{% endmacro %}{% set ns.f = f %}{{ f() }}"
      "{% endfor %}{{ ns.f() }}");
  REQUIRE(compiled.ok());
  auto text = compiled->render({}, {});
  REQUIRE_FALSE(text.ok());
  CHECK(text.error().message.find("outside of the block") != std::string::npos);
}

TEST_CASE("chat template source that is too long is refused") {
  REQUIRE_FALSE(ChatTemplate::compile(std::string(kTemplateSourceBytesMax + 1, 'a')).ok());
  REQUIRE_FALSE(ChatTemplate::compile("\xFF").ok());
}
