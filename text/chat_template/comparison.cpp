#include <algorithm>
#include <compare>
#include <string>

#include "text/chat_template/operators.hpp"

namespace troupe {

namespace {

using Kind = TemplateValue::Kind;

bool equal_items(RenderState& state, const TemplateValue& left, const TemplateValue& right) {
  if (left.items().size() != right.items().size()) return false;
  for (std::size_t i = 0; i < left.items().size(); ++i) {
    if (!equal(state, left.items()[i], right.items()[i])) return false;
  }
  return true;
}

bool equal_entries(RenderState& state, const TemplateValue& left, const TemplateValue& right) {
  if (left.entries().size() != right.entries().size()) return false;
  for (const auto& [key, value] : left.entries()) {
    const TemplateValue* other = find_key(state, right, key);
    if (other == nullptr || !equal(state, value, *other)) return false;
  }
  return true;
}

}  // namespace

bool equal(RenderState& state, const TemplateValue& left, const TemplateValue& right) {
  if (!state.step()) return false;
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) return left.as_int() == right.as_int();
    return left.as_double() == right.as_double();
  }
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kText:
      return left.as_text().size() == right.as_text().size() && state.search(left.as_text().size()) &&
             left.as_text() == right.as_text();
    case Kind::kList:
    case Kind::kTuple:
      return equal_items(state, left, right);
    case Kind::kDict:
      return equal_entries(state, left, right);
    case Kind::kNamespace:
      return left.as_namespace() == right.as_namespace();
    case Kind::kLoop:
      return &left.as_loop() == &right.as_loop();
    case Kind::kMacro:
      return &left.as_macro() == &right.as_macro();
    case Kind::kFunction:
      return left.function_name() == right.function_name();
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      break;  // numbers, compared above
  }
  return false;
}

bool less(RenderState& state, const TemplateValue& left, const TemplateValue& right) {
  if (!state.step()) return false;
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) return left.as_int() < right.as_int();
    return left.as_double() < right.as_double();
  }
  if (left.is_text() && right.is_text()) {  // the order of UTF-8 bytes is that of code points
    return state.search(std::min(left.as_text().size(), right.as_text().size())) && left.as_text() < right.as_text();
  }
  if (left.is_sequence() && left.kind() == right.kind()) {
    for (std::size_t i = 0; i < std::min(left.items().size(), right.items().size()); ++i) {
      if (!equal(state, left.items()[i], right.items()[i])) return less(state, left.items()[i], right.items()[i]);
    }
    return left.items().size() < right.items().size();
  }
  if (left.is_undefined()) return state.fail_undefined(left), false;
  if (right.is_undefined()) return state.fail_undefined(right), false;
  state.fail("'" + std::string(left.type_name()) + "' and '" + std::string(right.type_name()) + "' have no order");
  return false;
}

bool contains(RenderState& state, const TemplateValue& container, const TemplateValue& item) {
  if (container.is_text()) {
    if (!item.is_text()) {
      item.is_undefined()
          ? state.fail_undefined(item)
          : state.fail("'in <string>' requires string as left operand, not " + std::string(item.type_name()));
      return false;
    }
    return state.search(container.as_text().size(), item.as_text().size()) &&
           container.as_text().find(item.as_text()) != std::string::npos;
  }
  if (container.is_sequence()) {
    for (const TemplateValue& candidate : container.items()) {
      if (equal(state, candidate, item)) return true;
    }
    return false;
  }
  if (container.is(Kind::kDict)) {
    if (is_hashable(item)) return find_key(state, container, item) != nullptr;
    state.fail("unhashable type: '" + std::string(item.type_name()) + "'");
    return false;
  }
  if (container.is_undefined()) return false;
  state.fail("argument of type '" + std::string(container.type_name()) + "' is not iterable");
  return false;
}

bool compare(RenderState& state, std::string_view op, const TemplateValue& left, const TemplateValue& right) {
  if (op == "==") return equal(state, left, right);
  if (op == "!=") return !equal(state, left, right);
  if (op == "<") return less(state, left, right);
  if (op == ">") return less(state, right, left);
  if (op == "in") return contains(state, right, left);
  if (op == "not in") return !contains(state, right, left);
  // NaN is neither less nor greater nor equal, so "not greater" would not do.
  bool reversed = op == ">=";
  const TemplateValue& low = reversed ? right : left;
  const TemplateValue& high = reversed ? left : right;
  return less(state, low, high) || (!state.failed() && equal(state, low, high));
}

}  // namespace troupe
