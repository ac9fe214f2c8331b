#include <utility>

#include "text/chat_template/evaluator.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/text_work.hpp"

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
      return evaluate_call(e, {});
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

TemplateValue TemplateEvaluator::evaluate_filter(const TemplateExpression& e, TemplateValue input) {
  TemplateArguments arguments = evaluate_arguments(e);
  return state_.failed() ? TemplateValue() : e.filter(state_, input, arguments);
}

TemplateValue TemplateEvaluator::evaluate_test(const TemplateExpression& e) {
  TemplateValue value = evaluate(*e.parts[0]);
  TemplateArguments arguments = evaluate_arguments(e);
  return state_.failed() ? TemplateValue() : TemplateValue::boolean(e.test(state_, value, arguments));
}

}  // namespace troupe
