#include "text/chat_template/functions.hpp"

#include <utility>
#include <vector>

#include "text/chat_template/arguments.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

namespace {

using Value = TemplateValue;
using Arguments = TemplateArguments;

Value raise_exception(RenderState& state, const Arguments& arguments) {
  BoundArguments given(state, "raise_exception", arguments, {"message"}, 1);
  return state.failed() ? Value() : state.refuse(text_of(state, *given[0]).bytes());
}

// namespace(dict, a=1) and dict(dict, a=1): the entries of the one dict, if any, then the named ones.
bool entries_of(RenderState& state, const char* name, const Arguments& arguments, std::vector<TemplateEntry>& entries) {
  if (arguments.positional.size() > 1) {
    state.fail("'" + std::string(name) + "' takes at most one argument that is not named");
  } else if (!arguments.positional.empty()) {
    const Value& first = arguments.positional[0];
    if (!first.is(Value::Kind::kDict)) {
      state.fail("'" + std::string(name) + "' of anything but a dict is not supported");
    } else if (state.allocate(first.entries().size() * sizeof(TemplateEntry))) {
      entries = first.entries();
    }
  }
  for (const auto& [key, value] : arguments.named) set_key(state, entries, Value::text(key), value);
  return !state.failed();
}

Value make_namespace(RenderState& state, const Arguments& arguments) {
  std::vector<TemplateEntry> entries;
  if (!entries_of(state, "namespace", arguments, entries)) return {};
  TemplateNamespace* made = state.new_namespace();
  if (made == nullptr) return {};
  for (auto& [key, value] : entries) {
    if (!key.is_text()) return state.fail("a namespace's names must be strings");
    if (!state.step(1 + made->attributes.size() / 16)) return {};
    made->set(key.as_text(), std::move(value));
  }
  return Value::name_space(made);
}

Value make_dict(RenderState& state, const Arguments& arguments) {
  std::vector<TemplateEntry> entries;
  return entries_of(state, "dict", arguments, entries) ? state.dict(std::move(entries)) : Value();
}

Value make_range(RenderState& state, const Arguments& arguments) {
  BoundArguments given(state, "range", arguments, {"start", "stop", "step"}, 1);
  if (!arguments.named.empty()) return state.fail("'range' takes no named arguments");
  auto bound = [&](std::size_t i, std::int64_t otherwise) {
    if (given[i] != nullptr && !given[i]->is_integral()) state.fail("'range' needs integers");
    return given.integer(i, otherwise);
  };
  std::int64_t start = given[1] != nullptr ? bound(0, 0) : 0;
  std::int64_t stop = given[1] != nullptr ? bound(1, 0) : bound(0, 0);
  std::int64_t step = bound(2, 1);
  if (state.failed()) return {};
  if (step == 0) return state.fail("range() arg 3 must not be zero");
  std::vector<Value> items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (static_cast<std::int64_t>(items.size()) == kRangeMax) {
      return state.fail("range too big: at most " + std::to_string(kRangeMax) + " items are allowed");
    }
    items.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return state.list(std::move(items));
}

Value strftime_now(RenderState& state, const Arguments& arguments) {
  BoundArguments given(state, "strftime_now", arguments, {"format"}, 1);
  if (state.failed()) return {};
  if (!given[0]->is_text()) return state.fail("'strftime_now' needs a string");
  return time_text(state, given[0]->as_marked(), state.now_s());
}

struct NamedFunction {
  std::string_view name;
  Value (*function)(RenderState&, const Arguments&);
};
constexpr NamedFunction kFunctions[] = {
    {"dict", make_dict},   {"namespace", make_namespace},  {"raise_exception", raise_exception},
    {"range", make_range}, {"strftime_now", strftime_now},
};
constexpr std::string_view kNames[] = {"dict", "namespace", "raise_exception", "range", "strftime_now"};
static_assert(std::size(kNames) == std::size(kFunctions));

}  // namespace

std::span<const std::string_view> template_functions() { return kNames; }

TemplateValue call_template_function(RenderState& state, const std::string& name, const TemplateArguments& arguments) {
  for (const NamedFunction& named : kFunctions) {
    if (named.name == name) return named.function(state, arguments);
  }
  return state.fail("the method '" + name + "' can only be called where it is named");
}

}  // namespace troupe
