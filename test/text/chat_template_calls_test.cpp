// Macros with what they take beside their parameters, {% call %}, recursive loops, spread arguments. What is expected
// here is what Jinja2 3.1.2 gives.
#include <catch2/catch.hpp>

#include "text/chat_template/chat_template.hpp"

using namespace troupe;

namespace {

// The text, or "! " and the first words of the error.
std::string shown(const std::string& source) {
  auto compiled = ChatTemplate::compile(source);
  if (!compiled) return "! " + compiled.error().message;
  auto text = compiled->render({}, {"<B>", "<E>", "", ""});
  return text ? text->bytes() : "! " + text.error().message;
}

struct Case {
  const char* source;
  const char* expected;
};

template <std::size_t N>
void check_all(const Case (&cases)[N]) {
  for (const Case& one : cases) {
    INFO(one.source);
    CHECK(shown(one.source) == one.expected);
  }
}

template <std::size_t N>
void check_failures(const Case (&cases)[N]) {
  for (const Case& one : cases) {
    INFO(one.source);
    std::string text = shown(one.source);
    INFO(text);
    CHECK(text.starts_with("! "));
    CHECK(text.find(one.expected) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("chat template gives a call block to the macro as its caller") {
  const Case cases[] = {
      {"{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}in{% endcall %}", "[in]"},
      {"{% macro f(n) %}{% for i in range(n) %}{{ caller(i, y='b') }}{% endfor %}{% endmacro %}"
       "{% call(x, y='a', z='c') f(2) %}{{ x }}{{ y }}{{ z }},{% endcall %}",
       "0bc,1bc,"},
      {"{% macro f() %}{{ caller is defined }}{{ caller }}{% endmacro %}{{ f() }}", "False"},
      {"{% macro outer() %}{% macro inner() %}{{ caller() }}{% endmacro %}{% call inner() %}i{% endcall %}"
       "{% endmacro %}{{ outer() }}",
       "i"},
      {"{% macro f(caller=none) %}{{ caller }}{% endmacro %}{{ f() }}", "None"},
  };
  check_all(cases);
  const Case failures[] = {
      {"{% macro f() %}x{% endmacro %}{% call f() %}in{% endcall %}", "unexpected argument 'caller'"},
      {"{% macro outer() %}{% call inner() %}{{ caller() }}{% endcall %}{% endmacro %}"
       "{% macro inner() %}{{ caller() }}{% endmacro %}{% call outer() %}deep{% endcall %}",
       "No caller defined"},
      {"{% call x %}{% endcall %}", "needs a call"},
      {"{% call f()|upper %}{% endcall %}", "needs a call"},
      {"{% call f() %}", "endcall"},
  };
  check_failures(failures);
}

TEST_CASE("chat template macros take more arguments where their body reads varargs or kwargs") {
  const Case cases[] = {
      {"{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, k=4) }}{{ f() }}",
       "1(2, 3){'k': 4}(){}"},
      {"{% macro f(a) %}{{ kwargs }}{% endmacro %}{{ f(1, b=2, c=3) }}", "{'b': 2, 'c': 3}"},
      {"{% macro f(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ f() }}|{{ f(b=2) }}", "1|22"},
      {"{% set b = 9 %}{% macro f(a=b, b=1) %}{{ a }}{{ b }}{% endmacro %}{{ f() }}", "1"},
      {"{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(3) }}", "33"},
  };
  check_all(cases);
  const Case failures[] = {
      {"{% macro f(a) %}{{ varargs|length }}{% endmacro %}{{ f(1, b=2) }}", "unexpected argument 'b'"},
      {"{% macro f(x) %}{{ x }}{% endmacro %}{{ f(1, 2) }}", "not more than 1 argument"},
      {"{% macro f(x) %}{{ x }}{% endmacro %}{{ f(1, x=2) }}", "unexpected argument 'x'"},
  };
  check_failures(failures);
}

TEST_CASE("chat template spreads lists and dicts over arguments") {
  const Case cases[] = {
      {"{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 3]) }}{{ f(**{'b': 5, 'a': 4}) }}"
       "{{ f(*[6], **{'b': 7}) }}{{ f(*[8], b=9) }}",
       "13456789"},
      {"{{ '%s-%s'|format(*['a', 'b']) }}{{ dict(**{'a': 1}) }}{{ dict({'a': 1}, b=2) }}",
       "a-b{'a': 1}{'a': 1, 'b': 2}"},
      {"{{ namespace({'a': 1}, b=2).a }}", "1"},
  };
  check_all(cases);
  const Case failures[] = {
      {"{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, **{'a': 2}) }}", "unexpected argument 'a'"},
      {"{% macro f(a) %}{{ a }}{% endmacro %}{{ f(a=1, **{'a': 2}) }}", "multiple values for the argument 'a'"},
      {"{% macro f(a) %}{{ a }}{% endmacro %}{{ f(**u) }}", "must be a mapping"},
      {"{% macro f(a) %}{{ a }}{% endmacro %}{{ f(**{1: 2}) }}", "keywords must be strings"},
      {"{{ f(*a, *b) }}", "two '*'"},
      {"{{ f(**a, b=1) }}", "follows a '**'"},
      {"{{ f(*a, 1) }}", "a positional argument follows"},
  };
  check_failures(failures);
}

TEST_CASE("chat template runs a recursive loop within itself") {
  const Case cases[] = {
      {"{% for x in [[1, [2, [3]]], 4] recursive %}{% if x is iterable %}({{ loop.depth }}{{ loop(x) }})"
       "{% else %}{{ x }}{% endif %}{% endfor %}",
       "(11(22(33)))4"},
      {"{% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}]}] recursive %}{{ n.v }}{% if n.c %}<{{ loop(n.c) }}>"
       "{% else %}.{% endif %}{% endfor %}",
       "1<2.>"},
      {"{% for x in [1, [3, 4], 6] if x != 3 recursive %}{% if x is iterable %}{{ loop(x) }}{% else %}{{ x }}"
       "{% endif %}{{ loop.last }}{% else %}none{% endfor %}",
       "1False4TrueFalse6True"},
      {"{% for a in [1] %}{% for b in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% endfor %}", "10"},
  };
  check_all(cases);
  const Case failures[] = {
      {"{% for x in [1] %}{{ loop([2]) }}{% endfor %}", "'recursive' marker"},
      {"{% for x in [1] recursive %}{{ loop() }}{% endfor %}", "called with one list"},
      {"{% for x in [1] recursive %}{{ loop([x]) }}{% endfor %}", "nested too deep"},
      {"{% set n = namespace() %}{% for a in [1] %}{% for x in [1] recursive %}{% set n.l = loop %}{% endfor %}"
       "{% endfor %}{{ n.l([1]) }}",
       "outside of the block"},
  };
  check_failures(failures);
}

TEST_CASE("chat template has the rarer methods, filters and writings of JSON") {
  const Case cases[] = {
      {"{{ '{} {}'.format('a', 1) }}|{{ '{1}{0}{1}'.format('a', 'b') }}|{{ '{x}{{}}{y!r}'.format(x=1, y='q') }}",
       "a 1|bab|1{}'q'"},
      {"{{ [1, 2, 3, 4, 5]|batch(2)|list }}{{ [1, 2, 3]|batch(2, 0)|list }}", "[[1, 2], [3, 4], [5]][[1, 2], [3, 0]]"},
      {"{{ 'one two three four'|truncate(10) }}|{{ 'one two three four'|truncate(10, true) }}|"
       "{{ 'short one'|truncate(5) }}|{{ 'one two three'|truncate(6, false, '', 0) }}",
       "one...|one two...|short one|one"},
      {"{{ 'one two, three-four'|wordcount }}{{ 'a b/ü&c'|urlencode }}", "4a%20b/%C3%BC%26c"},
      {"{{ {'a': [1, 2], 'b': {}}|tojson(separators=(',', ':')) }}", "{\"a\":[1,2],\"b\":{}}"},
      {"{{ [1, 2]|tojson(indent=1, separators=(';', '=')) }}", "[\n 1;\n 2\n]"},
      {"{{ 'a\\x0bb\\n'|indent(2) }}|{{ 'a\\r'|indent(2) }}|{{ ''|indent(2, true) }}|{{ 'a\\n\\nb'|indent(1, "
       "blank=true) }}",
       "a\n  b\n|a|  |a\n \n b"},
      {"{{ 'a\\u2028b\\x1cc\\r\\nd'.splitlines() }}{{ 'a\\r\\nb\\x85'.splitlines(true)|length }}",
       "['a', 'b', 'c', 'd']2"},
      {"{{ 'straße'|upper }}{{ 'ß'.capitalize() }}{{ 'ǆ'.title() }}{{ 'ǆ'|title }}", "STRASSESsǅǄ"},
      {"{{ -0.0 % 1 }} {{ 0.0 // -2 }} {{ 7.5 // -2 }} {{ -7.5 % 2 }} {{ -0.5|round(0, 'ceil') }}",
       "0.0 -0.0 -4.0 0.5 0.0"},
      {"{{ [none, none]|sort }}{{ [u, u]|sort|length }}{{ u is callable }}", "[None, None]2True"},
      {"{% for a, b in [[1, 2], (3, 4)] if a %}{{ loop.nextitem }}{% endfor %}{% macro m() %}{% endmacro %}{{ m }}",
       "(3, 4)<Macro 'm'>"},
      {"{{ 'prefix-x'.removeprefix('prefix-') }}{{ 'x.y'.removesuffix('.y') }}{{ 'abc'.index('c') }}", "xx2"},
  };
  check_all(cases);
  const Case failures[] = {
      {"{{ '{} {1}'.format(1, 2) }}", "numbers only some"},
      {"{{ '{}'.format() }}", "not there"},
      {"{{ '{a}'.format(1) }}", "not there"},
      {"{{ '}'.format() }}", "a single"},
      {"{{ '{0.__class__}'.format(1) }}", "not supported"},
      {"{{ '{0[a]}'.format({'a': 1}) }}", "not supported"},
      {"{{ '{:>99999}'.format(1) }}", "not supported"},
      {"{{ 'abc'.index('z') }}", "substring not found"},
      {"{{ [1]|tojson(separators=',') }}", "two strings"},
      {"{% filter length %}a{% endfilter %}", "must make a string"},
      {"{{ [1]|batch(0) }}", "a size from 1"},
  };
  check_failures(failures);
}
