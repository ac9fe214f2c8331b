#include <utility>

#include "text/chat_template/arguments.hpp"
#include "text/chat_template/evaluator.hpp"
#include "text/chat_template/methods.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/text_work.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

using Kind = TemplateExpression::Kind;

TemplateValue TemplateEvaluator::evaluate(const TemplateExpression& e) {
  RenderState::Nesting nesting(state_);
  if (!nesting || !state_.step()) return {};
  switch (e.kind) {
    case Kind::kLiteral:
      return e.literal;
    case Kind::kName:
      return evaluate_name(e);
    case Kind::kList:
      return evaluate_list(e, TemplateValue::Kind::kList);
    case Kind::kTuple:
      return evaluate_list(e, TemplateValue::Kind::kTuple);
    case Kind::kDict:
      return evaluate_dict(e);
    case Kind::kAttribute:
      return attribute_of(state_, evaluate(*e.parts[0]), e.name);
    case Kind::kItem: {
      TemplateValue value = evaluate(*e.parts[0]);
      return item_of(state_, value, evaluate(*e.parts[1]));
    }
    case Kind::kSlice:
      return evaluate_slice(e);
    case Kind::kCall:
      return evaluate_call(e);
    case Kind::kFilter:
      return evaluate_filter(e, evaluate(*e.parts[0]));
    case Kind::kTest:
      return evaluate_test(e);
    case Kind::kNot:
      return TemplateValue::boolean(!evaluate(*e.parts[0]).truthy());
    case Kind::kNegative:
      return negate(state_, evaluate(*e.parts[0]));
    case Kind::kPositive: {
      TemplateValue value = evaluate(*e.parts[0]);
      return value.is_integral() ? TemplateValue::integer(value.as_int())
             : value.is_number() ? value
                                 : negate(state_, value);  // which fails for it
    }
    case Kind::kArithmetic: {
      TemplateValue left = evaluate(*e.parts[0]);
      TemplateValue right = evaluate(*e.parts[1]);
      return state_.failed() ? TemplateValue() : arithmetic(state_, e.operators[0], left, right);
    }
    case Kind::kConcat:
      return evaluate_concat(e);
    case Kind::kComparison:
      return evaluate_comparison(e);
    case Kind::kAnd: {
      TemplateValue left = evaluate(*e.parts[0]);
      return left.truthy() ? evaluate(*e.parts[1]) : left;
    }
    case Kind::kOr: {
      TemplateValue left = evaluate(*e.parts[0]);
      return left.truthy() ? left : evaluate(*e.parts[1]);
    }
    case Kind::kConditional:
      return evaluate_conditional(e);
  }
  return {};
}

TemplateValue TemplateEvaluator::evaluate_name(const TemplateExpression& e) {
  const TemplateValue* found = scope_->find(state_, e.name);
  return found != nullptr ? *found : TemplateValue::undefined("'" + e.name + "' is undefined");
}

TemplateValue TemplateEvaluator::evaluate_list(const TemplateExpression& e, TemplateValue::Kind kind) {
  std::vector<TemplateValue> items;
  for (const ExpressionPointer& part : e.parts) items.push_back(evaluate(*part));
  return state_.list(std::move(items), kind);
}

TemplateValue TemplateEvaluator::evaluate_dict(const TemplateExpression& e) {
  std::vector<TemplateEntry> entries;
  for (std::size_t i = 0; i + 1 < e.parts.size() && !state_.failed(); i += 2) {
    TemplateValue key = evaluate(*e.parts[i]);
    set_key(state_, entries, key, evaluate(*e.parts[i + 1]));
  }
  return state_.dict(std::move(entries));
}

TemplateValue TemplateEvaluator::evaluate_slice(const TemplateExpression& e) {
  TemplateValue value = evaluate(*e.parts[0]);
  TemplateValue bounds[3];
  const TemplateValue* given[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!e.parts[i + 1]) continue;
    bounds[i] = evaluate(*e.parts[i + 1]);
    given[i] = &bounds[i];
  }
  return state_.failed() ? TemplateValue() : slice(state_, value, given[0], given[1], given[2]);
}

TemplateValue TemplateEvaluator::evaluate_concat(const TemplateExpression& e) {
  std::vector<TemplateValue> parts;
  for (const ExpressionPointer& part : e.parts) parts.push_back(evaluate(*part));
  return state_.failed() ? TemplateValue() : joined(state_, MarkedText(), parts);
}

// a < b < c: each operand is evaluated once, and the first comparison that does not hold ends it.
TemplateValue TemplateEvaluator::evaluate_comparison(const TemplateExpression& e) {
  TemplateValue left = evaluate(*e.parts[0]);
  for (std::size_t i = 0; i < e.operators.size(); ++i) {
    TemplateValue right = evaluate(*e.parts[i + 1]);
    if (state_.failed()) return {};
    if (!compare(state_, e.operators[i], left, right)) return TemplateValue::boolean(false);
    left = std::move(right);
  }
  return TemplateValue::boolean(true);
}

TemplateValue TemplateEvaluator::evaluate_conditional(const TemplateExpression& e) {
  if (evaluate(*e.parts[1]).truthy()) return evaluate(*e.parts[0]);
  if (e.parts[2]) return evaluate(*e.parts[2]);
  return TemplateValue::undefined("the inline if-expression evaluated to false and no else section was defined");
}

TemplateArguments TemplateEvaluator::evaluate_arguments(const TemplateExpression& e) {
  TemplateArguments arguments;
  for (std::size_t i = 1; i < e.parts.size(); ++i) arguments.positional.push_back(evaluate(*e.parts[i]));
  for (const auto& [name, value] : e.named) arguments.named.emplace_back(name, evaluate(*value));
  return arguments;
}

TemplateValue TemplateEvaluator::evaluate_filter(const TemplateExpression& e, TemplateValue input) {
  TemplateArguments arguments = evaluate_arguments(e);
  return state_.failed() ? TemplateValue() : e.filter(state_, input, arguments);
}

TemplateValue TemplateEvaluator::evaluate_test(const TemplateExpression& e) {
  TemplateValue value = evaluate(*e.parts[0]);
  TemplateArguments arguments = evaluate_arguments(e);
  return state_.failed() ? TemplateValue() : TemplateValue::boolean(e.test(state_, value, arguments));
}

TemplateValue TemplateEvaluator::evaluate_call(const TemplateExpression& e) {
  const TemplateExpression& callee = *e.parts[0];
  if (callee.kind == Kind::kAttribute) {
    TemplateValue self = evaluate(*callee.parts[0]);
    return state_.failed() ? TemplateValue() : call_method(e, self, callee.name);
  }
  TemplateValue value = evaluate(callee);
  TemplateArguments arguments = evaluate_arguments(e);
  return state_.failed() ? TemplateValue() : call(value, arguments);
}

TemplateValue TemplateEvaluator::call_method(const TemplateExpression& e, const TemplateValue& self,
                                             std::string_view name) {
  TemplateArguments arguments = evaluate_arguments(e);
  if (state_.failed()) return {};
  if (TemplateFilter method = find_method(self.kind(), name)) return method(state_, self, arguments);
  if (self.is(TemplateValue::Kind::kLoop) && name == "cycle") return cycle(self, arguments);
  TemplateValue callee = attribute_of(state_, self, name);
  return state_.failed() ? TemplateValue() : call(callee, arguments);
}

TemplateValue TemplateEvaluator::cycle(const TemplateValue& loop, const TemplateArguments& arguments) {
  if (arguments.positional.empty()) return state_.fail("no items for cycling given");
  return arguments.positional[loop.as_loop().index % arguments.positional.size()];
}

TemplateValue TemplateEvaluator::call(const TemplateValue& callee, const TemplateArguments& arguments) {
  if (callee.is_undefined()) return state_.fail_undefined(callee);
  if (callee.is(TemplateValue::Kind::kMacro)) return call_macro(callee.as_macro(), arguments);
  if (!callee.is(TemplateValue::Kind::kFunction)) {
    return state_.fail("'" + std::string(callee.type_name()) + "' object is not callable");
  }
  const std::string& name = callee.function_name();
  if (name == "raise_exception") {
    BoundArguments given(state_, name, arguments, {"message"}, 1);
    return state_.failed() ? TemplateValue() : state_.refuse(text_of(state_, *given[0]).bytes());
  }
  if (name == "namespace") {
    TemplateNamespace* made = state_.new_namespace();
    if (made == nullptr) return {};
    if (!arguments.positional.empty()) return state_.fail("'namespace' with positional arguments is not supported");
    for (const auto& [key, value] : arguments.named) made->set(key, value);
    return TemplateValue::name_space(made);
  }
  if (name == "dict") {
    std::vector<TemplateEntry> entries;
    if (!arguments.positional.empty()) return state_.fail("'dict' with positional arguments is not supported");
    for (const auto& [key, value] : arguments.named) {
      set_key(state_, entries, TemplateValue::text(std::string(key)), value);
    }
    return state_.dict(std::move(entries));
  }
  if (name != "range") return state_.fail("the method '" + name + "' can only be called where it is named");
  BoundArguments given(state_, name, arguments, {"start", "stop", "step"}, 1);
  std::int64_t start = given[1] != nullptr ? given.integer(0, 0) : 0;
  std::int64_t stop = given[1] != nullptr ? given.integer(1, 0) : given.integer(0, 0);
  std::int64_t step = given.integer(2, 1);
  if (step == 0) return state_.fail("range() arg 3 must not be zero");
  std::vector<TemplateValue> items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(items.size()) == kRangeMax) {
      return state_.fail("range too big: at most " + std::to_string(kRangeMax) + " items are allowed");
    }
    items.push_back(TemplateValue::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return state_.list(std::move(items));
}

}  // namespace troupe
