#include <algorithm>
#include <optional>
#include <string>

#include "text/chat_template/arguments.hpp"
#include "text/chat_template/filters.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/text_work.hpp"
#include "text/chat_template/value_tests.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

namespace {

using Value = TemplateValue;
using Kind = TemplateValue::Kind;
using Arguments = TemplateArguments;

constexpr std::size_t kAttributePathMax = 16;  // parts of 'a.b.c'

// What `attribute='a.b'` names in each item; a part of digits is an index.
Value path_of(RenderState& state, Value value, const Value& attribute) {
  if (!attribute.is_text()) return item_of(state, value, attribute);
  std::string_view path = attribute.as_text();
  for (std::size_t parts = 0;; ++parts) {
    if (parts == kAttributePathMax) return state.fail("an attribute path is too long");
    std::size_t dot = path.find('.');
    std::string part(path.substr(0, dot));
    bool is_index = !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    value = item_of(state, value, is_index ? Value::integer(std::stoi(part)) : Value::text(part));
    if (dot == std::string_view::npos || state.failed()) return value;
    path.remove_prefix(dot + 1);
  }
}

Value path_or_self(RenderState& state, const Value& value, const Value* attribute) {
  return attribute == nullptr || attribute->is(Kind::kNone) ? value : path_of(state, value, *attribute);
}

Value default_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "default", arguments, {"default_value", "boolean"});
  bool replace = input.is_undefined() || (given.truth(1, false) && !input.truthy());
  if (!replace) return input;
  return given[0] != nullptr ? *given[0] : Value::text("");
}

Value length_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "length", arguments, {});
  return Value::integer(length_of(state, input));
}

Value first_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "first", arguments, {});
  std::vector<Value> items = iterate(state, input);
  return items.empty() ? Value::undefined("there is no first item") : items.front();
}

Value last_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "last", arguments, {});
  std::vector<Value> items = iterate(state, input);
  return items.empty() ? Value::undefined("there is no last item") : items.back();
}

Value list_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "list", arguments, {});
  return state.list(iterate(state, input));
}

Value reverse_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "reverse", arguments, {});
  std::vector<Value> items = iterate(state, input);
  std::reverse(items.begin(), items.end());
  return input.is_text() ? joined(state, MarkedText(), items) : state.list(std::move(items));
}

Value join_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "join", arguments, {"d", "attribute"});
  std::vector<Value> items = iterate(state, input);
  for (Value& item : items) item = path_or_self(state, item, given[1]);
  MarkedText separator = given[0] != nullptr ? text_of(state, *given[0]) : MarkedText();
  return state.failed() ? Value() : joined(state, separator, items);
}

Value items_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "items", arguments, {});
  std::vector<Value> pairs;
  if (input.is_undefined()) return state.list({});
  if (!input.is(Kind::kDict)) return state.fail("Can only get item pairs from a mapping.");
  for (const auto& [key, value] : input.entries()) pairs.push_back(state.list({key, value}, Kind::kTuple));
  return state.list(std::move(pairs));
}

// What sorting and comparing without regard to case looks at.
Value folded(RenderState& state, const Value& value, bool case_sensitive) {
  return case_sensitive || !value.is_text() ? value : state.text(lower_case(value.as_marked()));
}

// 'sort' looks whether two keys are equal before it asks for their order: two times none, which has none, can be
// sorted.
bool comes_before(RenderState& state, const Value& left, const Value& right) {
  return !equal(state, left, right) && less(state, left, right);
}

// Stable, ascending by `before`; a comparison that fails leaves them as they are. A merge sort: it stays safe when
// comparisons contradict each other.
void sort_by_key(RenderState& state, std::vector<std::pair<Value, Value>>& keyed, bool reverse,
                 bool (*before)(RenderState&, const Value&, const Value&)) {
  if (!state.allocate(keyed.size() * sizeof(keyed[0]))) return;
  std::vector<std::pair<Value, Value>> merged(keyed.size());
  for (std::size_t width = 1; width < keyed.size() && !state.failed(); width *= 2) {
    for (std::size_t begin = 0; begin < keyed.size(); begin += 2 * width) {
      std::size_t middle = std::min(begin + width, keyed.size());
      std::size_t end = std::min(begin + 2 * width, keyed.size());
      std::size_t left = begin;
      std::size_t right = middle;
      for (std::size_t out = begin; out < end; ++out) {
        bool take_right = left == middle;
        if (left < middle && right < end) {
          take_right = reverse ? before(state, keyed[left].first, keyed[right].first)
                               : before(state, keyed[right].first, keyed[left].first);
        }
        merged[out] = keyed[take_right ? right++ : left++];
      }
    }
    keyed.swap(merged);
  }
}

Value sort_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "sort", arguments, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::pair<Value, Value>> keyed;
  for (Value& item : iterate(state, input)) {
    Value key = folded(state, path_or_self(state, item, given[2]), given.truth(1, false));
    keyed.emplace_back(std::move(key), std::move(item));
  }
  sort_by_key(state, keyed, given.truth(0, false), comes_before);
  std::vector<Value> sorted;
  for (auto& [key, item] : keyed) sorted.push_back(std::move(item));
  return state.list(std::move(sorted));
}

Value dictsort_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "dictsort", arguments, {"case_sensitive", "by", "reverse"});
  std::string_view by = given.text(1, "key");
  if (!input.is(Kind::kDict)) return state.fail("'dictsort' needs a mapping");
  if (by != "key" && by != "value") return state.fail("'dictsort' sorts by 'key' or 'value'");
  std::vector<std::pair<Value, Value>> keyed;
  for (const auto& [key, value] : input.entries()) {
    keyed.emplace_back(folded(state, by == "key" ? key : value, given.truth(0, false)),
                       state.list({key, value}, Kind::kTuple));
  }
  sort_by_key(state, keyed, given.truth(2, false), less);
  std::vector<Value> sorted;
  for (auto& [key, item] : keyed) sorted.push_back(std::move(item));
  return state.list(std::move(sorted));
}

Value unique_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "unique", arguments, {"case_sensitive", "attribute"});
  std::vector<Value> keys;
  std::vector<Value> kept;
  for (Value& item : iterate(state, input)) {
    Value key = folded(state, path_or_self(state, item, given[1]), given.truth(0, false));
    if (!is_hashable(key)) return state.fail("unhashable type: '" + std::string(key.type_name()) + "'");
    bool known = std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return equal(state, k, key); });
    if (state.failed()) break;
    if (known) continue;
    keys.push_back(std::move(key));
    kept.push_back(std::move(item));
  }
  return state.list(std::move(kept));
}

Value extreme(RenderState& state, const Value& input, const Arguments& arguments, const char* name, bool largest) {
  BoundArguments given(state, name, arguments, {"case_sensitive", "attribute"});
  std::optional<std::pair<Value, Value>> best;
  for (Value& item : iterate(state, input)) {
    Value key = folded(state, path_or_self(state, item, given[1]), given.truth(0, false));
    bool better = !best || (largest ? less(state, best->first, key) : less(state, key, best->first));
    if (better) best.emplace(std::move(key), std::move(item));
  }
  return best ? best->second : Value::undefined("there is no item to choose from");
}

Value max_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  return extreme(state, input, arguments, "max", true);
}

Value min_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  return extreme(state, input, arguments, "min", false);
}

Value sum_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  BoundArguments given(state, "sum", arguments, {"attribute", "start"});
  Value total = given[1] != nullptr ? *given[1] : Value::integer(0);
  for (const Value& item : iterate(state, input)) {
    total = arithmetic(state, "+", total, path_or_self(state, item, given[0]));
    if (state.failed()) return {};
  }
  return total;
}

// map('upper'), map(attribute='name', default='?').
Value map_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  if (!input.truthy()) return state.list({});  // Jinja does not look at it then, even when it is no list
  std::vector<Value> items = iterate(state, input);
  if (arguments.positional.empty()) {
    BoundArguments given(state, "map", arguments, {"attribute", "default"}, 1);
    if (state.failed()) return {};
    for (Value& item : items) {
      item = path_of(state, std::move(item), *given[0]);
      if (item.is_undefined() && given[1] != nullptr) item = *given[1];
    }
    return state.list(std::move(items));
  }
  const Value& name = arguments.positional[0];
  TemplateFilter filter = name.is_text() ? find_template_filter(name.as_text()) : nullptr;
  if (filter == nullptr) return state.fail("'map' needs the name of a filter");
  RenderState::Nesting nesting(state);  // map('map', 'map', ...)
  Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
  for (Value& item : items) {
    if (!nesting) return {};
    item = filter(state, item, rest);
  }
  return state.list(std::move(items));
}

// select, reject, selectattr, rejectattr: keeps the items for which the test says `wanted`.
Value keep(RenderState& state, const Value& input, const Arguments& arguments, bool by_attribute, bool wanted) {
  if (!input.truthy()) return state.list({});
  std::size_t used = by_attribute;
  if (arguments.positional.size() < used) return state.fail("an attribute to select by is missing");
  TemplateTest test = nullptr;
  Arguments rest;
  if (arguments.positional.size() > used) {
    const Value& name = arguments.positional[used];
    test = name.is_text() ? find_template_test(name.as_text()) : nullptr;
    if (test == nullptr) return state.fail("selecting needs the name of a test");
    rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(used) + 1,
                           arguments.positional.end());
    rest.named = arguments.named;
  }
  std::vector<Value> kept;
  for (Value& item : iterate(state, input)) {
    Value looked_at = by_attribute ? path_of(state, item, arguments.positional[0]) : item;
    bool holds = test != nullptr ? test(state, looked_at, rest) : looked_at.truthy();
    if (!state.step()) return {};
    if (holds == wanted) kept.push_back(std::move(item));
  }
  return state.list(std::move(kept));
}

Value select_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  return keep(state, input, arguments, false, true);
}
Value reject_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  return keep(state, input, arguments, false, false);
}
Value selectattr_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  return keep(state, input, arguments, true, true);
}
Value rejectattr_filter(RenderState& state, const Value& input, const Arguments& arguments) {
  return keep(state, input, arguments, true, false);
}

struct NamedFilter {
  std::string_view name;
  TemplateFilter filter;
};
constexpr NamedFilter kFilters[] = {
    {"count", length_filter},      {"d", default_filter},     {"default", default_filter},
    {"dictsort", dictsort_filter}, {"first", first_filter},   {"items", items_filter},
    {"join", join_filter},         {"last", last_filter},     {"length", length_filter},
    {"list", list_filter},         {"map", map_filter},       {"max", max_filter},
    {"min", min_filter},           {"reject", reject_filter}, {"rejectattr", rejectattr_filter},
    {"reverse", reverse_filter},   {"select", select_filter}, {"selectattr", selectattr_filter},
    {"sort", sort_filter},         {"sum", sum_filter},       {"unique", unique_filter},
};

}  // namespace

TemplateFilter find_list_filter(std::string_view name) {
  for (const NamedFilter& named : kFilters) {
    if (named.name == name) return named.filter;
  }
  return nullptr;
}

}  // namespace troupe
