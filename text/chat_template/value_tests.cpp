#include "text/chat_template/value_tests.hpp"

#include "text/chat_template/arguments.hpp"
#include "text/chat_template/filters.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/text_work.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

namespace {

using Value = TemplateValue;
using Kind = TemplateValue::Kind;
using Arguments = TemplateArguments;

template <bool (*Predicate)(const Value&)>
bool without_argument(RenderState& state, const Value& value, const Arguments& arguments) {
  BoundArguments given(state, "a test", arguments, {});
  return Predicate(value);
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is(Kind::kNone); }
bool is_boolean(const Value& v) { return v.is(Kind::kBool); }
bool is_true(const Value& v) { return v.is(Kind::kBool) && v.as_bool(); }
bool is_false(const Value& v) { return v.is(Kind::kBool) && !v.as_bool(); }
bool is_integer(const Value& v) { return v.is(Kind::kInt); }
bool is_float(const Value& v) { return v.is(Kind::kFloat); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.is_text(); }
bool is_mapping(const Value& v) { return v.is(Kind::kDict); }
// What is undefined counts: calling it is what Python would do, and then fail.
bool is_callable(const Value& v) {
  return v.is(Kind::kFunction) || v.is(Kind::kMacro) || v.is(Kind::kLoop) || v.is_undefined();
}
bool is_sequence(const Value& v) { return v.is_text() || v.is_sequence() || v.is(Kind::kDict) || v.is_undefined(); }
bool is_iterable(const Value& v) { return is_sequence(v) || v.is(Kind::kLoop); }

// Whether a text has cased letters, all of the asked case: equal to its lower (upper) form but not to the other one.
template <bool Upper>
bool is_cased(RenderState& state, const Value& value, const Arguments&) {
  MarkedText text = text_of(state, value);
  if (!state.search(text.bytes().size())) return false;
  std::string upper = upper_case(text).bytes();
  std::string lower = lower_case(text).bytes();
  return upper != lower && text.bytes() == (Upper ? upper : lower);
}

bool is_divisible(RenderState& state, const Value& value, const Arguments& arguments) {
  BoundArguments given(state, "divisibleby", arguments, {"num"}, 1);
  if (state.failed()) return false;
  Value rest = arithmetic(state, "%", value, *given[0]);
  return rest.is_number() && rest.as_double() == 0;
}

template <int Remainder>
bool has_parity(RenderState& state, const Value& value, const Arguments& arguments) {
  BoundArguments given(state, "a test", arguments, {});
  Value rest = arithmetic(state, "%", value, Value::integer(2));
  return rest.is_number() && rest.as_double() == Remainder;
}

enum class Comparison { kEq, kNe, kLt, kLe, kGt, kGe, kIn };
template <Comparison Which>
bool compares(RenderState& state, const Value& value, const Arguments& arguments) {
  BoundArguments given(state, "a test", arguments, {"other"}, 1);
  if (state.failed()) return false;
  constexpr std::string_view kOperators[] = {"==", "!=", "<", "<=", ">", ">=", "in"};
  return compare(state, kOperators[static_cast<int>(Which)], value, *given[0]);
}

bool is_same(RenderState& state, const Value& value, const Arguments& arguments) {
  BoundArguments given(state, "sameas", arguments, {"other"}, 1);
  return !state.failed() && value.kind() == given[0]->kind() && equal(state, value, *given[0]);
}

struct NamedTest {
  std::string_view name;
  TemplateTest test;
};
constexpr NamedTest kTests[] = {
    {"boolean", without_argument<is_boolean>},
    {"callable", without_argument<is_callable>},
    {"defined", without_argument<is_defined>},
    {"divisibleby", is_divisible},
    {"eq", compares<Comparison::kEq>},
    {"equalto", compares<Comparison::kEq>},
    {"==", compares<Comparison::kEq>},
    {"even", has_parity<0>},
    {"false", without_argument<is_false>},
    {"float", without_argument<is_float>},
    {"ge", compares<Comparison::kGe>},
    {">=", compares<Comparison::kGe>},
    {"gt", compares<Comparison::kGt>},
    {"greaterthan", compares<Comparison::kGt>},
    {">", compares<Comparison::kGt>},
    {"in", compares<Comparison::kIn>},
    {"integer", without_argument<is_integer>},
    {"iterable", without_argument<is_iterable>},
    {"le", compares<Comparison::kLe>},
    {"<=", compares<Comparison::kLe>},
    {"lower", is_cased<false>},
    {"lt", compares<Comparison::kLt>},
    {"lessthan", compares<Comparison::kLt>},
    {"<", compares<Comparison::kLt>},
    {"mapping", without_argument<is_mapping>},
    {"ne", compares<Comparison::kNe>},
    {"!=", compares<Comparison::kNe>},
    {"none", without_argument<is_none>},
    {"number", without_argument<is_number>},
    {"odd", has_parity<1>},
    {"sameas", is_same},
    {"sequence", without_argument<is_sequence>},
    {"string", without_argument<is_string>},
    {"true", without_argument<is_true>},
    {"undefined", without_argument<is_undefined>},
    {"upper", is_cased<true>},
};

}  // namespace

TemplateTest find_template_test(std::string_view name) {
  for (const NamedTest& named : kTests) {
    if (named.name == name) return named.test;
  }
  return nullptr;
}

}  // namespace troupe
