#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>

#include "text/chat_template/arguments.hpp"
#include "text/chat_template/filters.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/chat_template/text_work.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

namespace {

using Value = TemplateValue;
using Arguments = TemplateArguments;

Value trim_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "trim", arguments, {"chars"});
  MarkedText text = text_of(state, input);
  return state.text(text.part(trimmed(text.bytes(), given.text(0, ""), TrimSides::kBoth)));
}

Value upper_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "upper", arguments, {});
  return state.text(upper_case(text_of(state, input)));
}

Value lower_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "lower", arguments, {});
  return state.text(lower_case(text_of(state, input)));
}

Value capitalize_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "capitalize", arguments, {});
  return state.text(capitalized(text_of(state, input)));
}

Value title_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "title", arguments, {});
  return state.text(title_case(text_of(state, input), false));
}

Value string_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "string", arguments, {});
  return input.is_text() ? input : state.text(text_of(state, input));
}

// Nothing is escaped here, so nothing has to be kept from it. (In Jinja what is added to the result would be escaped
// for HTML, even so; no template of a model means that.)
Value safe_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "safe", arguments, {});
  return input.is_text() ? input : state.text(text_of(state, input));
}

Value replace_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "replace", arguments, {"old", "new", "count"}, 2);
  if (state.failed()) return {};
  return replaced(state, text_of(state, input), text_of(state, *given[0]).bytes(), text_of(state, *given[1]),
                  given.integer(2, -1));
}

Value format_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  if (!arguments.named.empty()) return state.fail("'format' with named arguments is not supported");
  return printf_format(state, text_of(state, input), arguments.positional, true);
}

Value tojson_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = given.truth(0, false);
  style.indent = given.integer(1, -1);
  style.sort_keys = given.truth(3, false);
  if (style.indent >= 0) style.between_items = MarkedText(",");
  if (given[2] != nullptr && !given[2]->is(Value::Kind::kNone)) {
    bool two_texts = given[2]->is_sequence() && given[2]->items().size() == 2 && given[2]->items()[0].is_text() &&
                     given[2]->items()[1].is_text();
    if (!two_texts) return state.fail("tojson's separators must be two strings");
    style.between_items = given[2]->items()[0].as_marked();
    style.behind_key = given[2]->items()[1].as_marked();
  }
  if (style.indent > kIndentMax) return state.fail("an indent is too wide");
  if (input.is_undefined()) return state.fail_undefined(input);
  MarkedText out;
  append_json(state, input, style, out);
  return Value::text(std::move(out));  // append_json has counted it
}

// Lines after the first get `width` blanks in front, unless they are empty; all of them end in "\n" then.
Value indent_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "indent", arguments, {"width", "first", "blank"});
  MarkedText prefix;
  if (given[0] != nullptr && given[0]->is_text()) {
    prefix = given[0]->as_marked();
  } else {
    std::int64_t width = given.integer(0, 4);
    if (width > kIndentMax) return state.fail("an indent is too wide");
    prefix.append(std::string(width > 0 ? static_cast<std::size_t>(width) : 0, ' '));
  }
  if (input.is_undefined()) return state.fail_undefined(input);
  if (!input.is_text()) return state.fail("'indent' needs a string, not " + std::string(input.type_name()));
  std::string_view text = input.as_text();
  if (!state.search(text.size())) return {};
  std::vector<std::string_view> lines = split_lines(text, false);
  // As if a newline stood behind the text, which ends a line of its own unless it ends one with "\r".
  if (text.empty() || (text.back() != '\r' && lines.back().end() != text.end()))
    lines.push_back(text.substr(text.size()));
  bool first = given.truth(1, false);
  bool blank = given.truth(2, false);
  MarkedText out;
  std::size_t cost = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.append("\n");
    if (i == 0 ? first : blank || !lines[i].empty()) out.append(prefix);
    out.append_part(input.as_marked(), lines[i]);
    std::size_t before = std::exchange(cost, out.cost_bytes());
    if (!state.allocate(cost - before + 1)) return {};
  }
  return Value::text(std::move(out));
}

Value int_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "int", arguments, {"default", "base"});
  if (given[1] != nullptr && given.integer(1, 10) != 10) return state.fail("'int' with another base is not supported");
  std::int64_t otherwise = given.integer(0, 0);
  if (input.is_undefined()) return state.fail_undefined(input);
  if (input.is_integral()) return Value::integer(input.as_int());
  double real = 0;
  if (input.is_number()) {
    real = input.as_double();
  } else if (input.is_text()) {
    std::string_view text = trimmed(input.as_text(), "", TrimSides::kBoth);
    if (!text.empty() && text[0] == '+') text.remove_prefix(1);
    const char* last = text.data() + text.size();
    std::int64_t integer = 0;
    if (auto [end, error] = std::from_chars(text.data(), last, integer); error == std::errc() && end == last) {
      return Value::integer(integer);
    }
    auto [end, error] = std::from_chars(text.data(), last, real);
    if (error != std::errc() || end != last) return Value::integer(otherwise);
  } else {
    return Value::integer(otherwise);
  }
  if (!(real > -9.2e18 && real < 9.2e18)) return state.fail("an integer is too large");
  return Value::integer(static_cast<std::int64_t>(real));
}

Value float_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "float", arguments, {"default"});
  double otherwise = given[0] != nullptr && given[0]->is_number() ? given[0]->as_double() : 0.0;
  if (input.is_number()) return Value::real(input.as_double());
  if (input.is_undefined()) return state.fail_undefined(input);
  if (!input.is_text()) return Value::real(otherwise);
  std::string_view text = trimmed(input.as_text(), "", TrimSides::kBoth);
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  double real = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
  return Value::real(error == std::errc() && end == text.data() + text.size() ? real : otherwise);
}

Value abs_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "abs", arguments, {});
  if (input.is_integral()) return input.as_int() < 0 ? negate(state, input) : Value::integer(input.as_int());
  if (input.is_number()) return Value::real(std::fabs(input.as_double()));
  return input.is_undefined() ? state.fail_undefined(input) : state.fail("'abs' needs a number");
}

Value round_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "round", arguments, {"precision", "method"});
  std::int64_t precision = given.integer(0, 0);
  std::string_view method = given.text(1, "common");
  if (!input.is_number()) return state.fail("'round' needs a number");
  if (precision < 0 || precision > 15) return state.fail("'round' supports 0 to 15 digits");
  if (method != "common" && method != "ceil" && method != "floor") return state.fail("'round' got an unknown method");
  if (method == "common" && input.is_integral()) return Value::integer(input.as_int());
  double factor = std::pow(10.0, static_cast<double>(precision));
  double value = input.as_double();
  if (method == "ceil") return Value::real((std::ceil(value * factor) + 0.0) / factor);  // + 0.0: no -0.0
  if (method == "floor") return Value::real((std::floor(value * factor) + 0.0) / factor);
  // Python rounds the decimal value, half to even; printf rounds the exact binary value the same way.
  Value text = printf_format(state, MarkedText("%." + std::to_string(precision) + "f"), {Value::real(value)}, true);
  if (state.failed()) return {};
  double rounded = 0;
  std::from_chars(text.as_text().data(), text.as_text().data() + text.as_text().size(), rounded);
  return Value::real(rounded);
}

struct NamedFilter {
  std::string_view name;
  TemplateFilter filter;
};
constexpr NamedFilter kFilters[] = {
    {"abs", abs_filter},       {"capitalize", capitalize_filter},
    {"float", float_filter},   {"format", format_filter},
    {"indent", indent_filter}, {"int", int_filter},
    {"lower", lower_filter},   {"replace", replace_filter},
    {"round", round_filter},   {"safe", safe_filter},
    {"string", string_filter}, {"title", title_filter},
    {"tojson", tojson_filter}, {"trim", trim_filter},
    {"upper", upper_filter},
};

}  // namespace

TemplateFilter find_text_filter(std::string_view name) {
  for (const NamedFilter& named : kFilters) {
    if (named.name == name) return named.filter;
  }
  return nullptr;
}

TemplateFilter find_template_filter(std::string_view name) {
  for (auto find : {find_text_filter, find_list_filter, find_rare_filter}) {
    if (TemplateFilter filter = find(name)) return filter;
  }
  return nullptr;
}

}  // namespace troupe
