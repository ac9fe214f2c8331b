#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "text/chat_template/operators.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

namespace {

using Kind = TemplateValue::Kind;

TemplateValue too_large(RenderState& state) { return state.fail("an integer is too large"); }

TemplateValue unsupported(RenderState& state, std::string_view op, const TemplateValue& left,
                          const TemplateValue& right) {
  if (left.is_undefined()) return state.fail_undefined(left);
  if (right.is_undefined()) return state.fail_undefined(right);
  return state.fail("unsupported operand types for " + std::string(op) + ": '" + std::string(left.type_name()) +
                    "' and '" + std::string(right.type_name()) + "'");
}

// Python's division: rounds down, and the remainder has the divisor's sign.
TemplateValue floor_division(RenderState& state, std::int64_t a, std::int64_t b, bool remainder) {
  if (b == 0) return state.fail("division by zero");
  if (b == -1) {  // INT64_MIN / -1 overflows
    std::int64_t negated = 0;
    if (remainder) return TemplateValue::integer(0);
    return __builtin_sub_overflow(std::int64_t{0}, a, &negated) ? too_large(state) : TemplateValue::integer(negated);
  }
  std::int64_t quotient = a / b;
  std::int64_t rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) quotient -= 1, rest += b;
  return TemplateValue::integer(remainder ? rest : quotient);
}

// The same for floats; what is zero has the sign that Python gives it.
TemplateValue floor_division(double a, double b, bool remainder) {
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest == 0) {
    rest = std::copysign(0.0, b);
  } else if ((rest < 0) != (b < 0)) {
    rest += b;
    quotient -= 1.0;
  }
  if (remainder) return TemplateValue::real(rest);
  if (quotient == 0) return TemplateValue::real(std::copysign(0.0, a / b));
  double whole = std::floor(quotient);
  return TemplateValue::real(quotient - whole > 0.5 ? whole + 1.0 : whole);
}

TemplateValue integer_power(RenderState& state, std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return state.fail("division by zero");
    return TemplateValue::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  for (std::int64_t left = exponent; left > 0; left >>= 1) {  // at most 63 rounds
    if ((left & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return too_large(state);
    if (left > 1 && __builtin_mul_overflow(base, base, &base)) return too_large(state);
  }
  return TemplateValue::integer(result);
}

TemplateValue integer_arithmetic(RenderState& state, std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else if (op == "//") {
    return floor_division(state, a, b, false);
  } else if (op == "%") {
    return floor_division(state, a, b, true);
  } else {
    return integer_power(state, a, b);
  }
  return overflow ? too_large(state) : TemplateValue::integer(result);
}

TemplateValue real_arithmetic(RenderState& state, std::string_view op, double a, double b) {
  if (op == "+") return TemplateValue::real(a + b);
  if (op == "-") return TemplateValue::real(a - b);
  if (op == "*") return TemplateValue::real(a * b);
  if (op == "**") {
    if (a == 0 && b < 0) return state.fail("division by zero");
    if (a < 0 && b != std::floor(b)) return state.fail("a power that is not a real number is not supported");
    double power = std::pow(a, b);
    if (std::isinf(power) && !std::isinf(a) && !std::isinf(b)) return state.fail("a power is out of range");
    return TemplateValue::real(power);
  }
  if (b == 0) return state.fail("division by zero");
  if (op == "/") return TemplateValue::real(a / b);
  return floor_division(a, b, op == "%");
}

TemplateValue repeat(RenderState& state, const TemplateValue& value, std::int64_t times) {
  std::size_t size = value.is_text() ? value.as_marked().cost_bytes() : value.items().size() * sizeof(TemplateValue);
  std::size_t count = times > 0 ? static_cast<std::size_t>(times) : 0;
  if (size > 0 && count > state.limits().value_bytes / size) count = state.limits().value_bytes / size + 1;
  if (!state.allocate(size * count)) return {};
  if (value.is_text()) {
    MarkedText out;
    for (std::size_t i = 0; i < count && size > 0; ++i) out.append(value.as_marked());
    return TemplateValue::text(std::move(out));
  }
  std::vector<TemplateValue> items;
  for (std::size_t i = 0; i < count && size > 0; ++i) {
    items.insert(items.end(), value.items().begin(), value.items().end());
  }
  return state.list(std::move(items), value.kind());
}

TemplateValue add(RenderState& state, const TemplateValue& left, const TemplateValue& right) {
  if (left.is_text() && right.is_text()) {
    if (!state.allocate(left.as_marked().cost_bytes() + right.as_marked().cost_bytes())) return {};
    MarkedText sum = left.as_marked();
    sum.append(right.as_marked());
    return TemplateValue::text(std::move(sum));
  }
  if (left.is_sequence() && left.kind() == right.kind()) {
    if (!state.allocate((left.items().size() + right.items().size()) * sizeof(TemplateValue))) return {};
    std::vector<TemplateValue> items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return state.list(std::move(items), left.kind());
  }
  return unsupported(state, "+", left, right);
}

}  // namespace

TemplateValue arithmetic(RenderState& state, std::string_view op, const TemplateValue& left,
                         const TemplateValue& right) {
  if (left.is_number() && right.is_number()) {
    bool integral = left.is_integral() && right.is_integral() && op != "/";
    return integral ? integer_arithmetic(state, op, left.as_int(), right.as_int())
                    : real_arithmetic(state, op, left.as_double(), right.as_double());
  }
  if (op == "+") return add(state, left, right);
  if (op == "*") {
    if ((left.is_text() || left.is_sequence()) && right.is_integral()) return repeat(state, left, right.as_int());
    if ((right.is_text() || right.is_sequence()) && left.is_integral()) return repeat(state, right, left.as_int());
  }
  if (op == "%" && left.is_text()) {
    if (right.is(Kind::kTuple)) return printf_format(state, left.as_marked(), right.items(), true);
    // Python takes what can be subscripted for a mapping, of which a format need not use anything.
    bool mapping = right.is(Kind::kDict) || right.is(Kind::kList) || right.is_undefined();
    return printf_format(state, left.as_marked(), {right}, !mapping);
  }
  return unsupported(state, op, left, right);
}

TemplateValue negate(RenderState& state, const TemplateValue& value) {
  if (value.is_integral()) return integer_arithmetic(state, "-", 0, value.as_int());
  if (value.is(Kind::kFloat)) return TemplateValue::real(-value.as_double());
  if (value.is_undefined()) return state.fail_undefined(value);
  return state.fail("bad operand type for unary -: '" + std::string(value.type_name()) + "'");
}

}  // namespace troupe
