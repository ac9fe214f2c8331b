// Calls: arguments, methods, macros with what they take beside their parameters, {% call %}, and loops within
// themselves.
#include <algorithm>
#include <string>
#include <utility>

#include "text/chat_template/evaluator.hpp"
#include "text/chat_template/functions.hpp"
#include "text/chat_template/methods.hpp"
#include "text/chat_template/operators.hpp"

namespace troupe {

using Kind = TemplateExpression::Kind;

namespace {

std::string shown(const MacroStatement& macro) {
  return macro.name.empty() ? "macro of a call block" : "macro '" + macro.name.substr(0, 64) + "'";
}

}  // namespace

// `caller`: the macro of a {% call %} block; undefined for what is no such call.
TemplateArguments TemplateEvaluator::evaluate_arguments(const TemplateExpression& e, TemplateValue caller) {
  TemplateArguments arguments;
  for (std::size_t i = 1; i < e.parts.size(); ++i) arguments.positional.push_back(evaluate(*e.parts[i]));
  for (const auto& [name, value] : e.named) arguments.named.emplace_back(name, evaluate(*value));
  if (!caller.is_undefined()) arguments.named.emplace_back("caller", std::move(caller));
  if (e.more_positional || e.more_named) add_spread_arguments(e, arguments);
  return arguments;
}

// What *list and **dict add.
void TemplateEvaluator::add_spread_arguments(const TemplateExpression& e, TemplateArguments& arguments) {
  if (e.more_positional) {
    for (TemplateValue& item : iterate(state_, evaluate(*e.more_positional))) {
      arguments.positional.push_back(std::move(item));
    }
  }
  if (!e.more_named) return;
  TemplateValue more = evaluate(*e.more_named);
  if (state_.failed()) return;
  if (!more.is(TemplateValue::Kind::kDict)) {
    state_.fail("an argument after ** must be a mapping, not " + std::string(more.type_name()));
    return;
  }
  if (!state_.allocate(more.entries().size() * sizeof(arguments.named[0]))) return;
  for (const auto& [key, value] : more.entries()) {
    if (!state_.step(1 + arguments.named.size() / 16)) return;
    if (!key.is_text()) {
      state_.fail("keywords must be strings");
      return;
    }
    const std::string& name = key.as_text();  // clang 14 captures no structured binding
    auto is_same = [&](const auto& named) { return named.first == name; };
    if (std::any_of(arguments.named.begin(), arguments.named.end(), is_same)) {
      state_.fail("multiple values for the argument '" + name.substr(0, 64) + "'");
      return;
    }
    arguments.named.emplace_back(name, value);
  }
}

TemplateValue TemplateEvaluator::evaluate_call(const TemplateExpression& e, TemplateValue caller) {
  const TemplateExpression& callee = *e.parts[0];
  bool is_method = callee.kind == Kind::kAttribute;
  TemplateValue value = evaluate(is_method ? *callee.parts[0] : callee);
  if (state_.failed()) return {};
  TemplateArguments arguments = evaluate_arguments(e, std::move(caller));
  if (state_.failed()) return {};
  return is_method ? call_method(value, callee.name, arguments) : call(value, arguments);
}

TemplateValue TemplateEvaluator::call_method(const TemplateValue& self, std::string_view name,
                                             const TemplateArguments& arguments) {
  if (TemplateFilter method = find_method(self.kind(), name)) return method(state_, self, arguments);
  if (self.is(TemplateValue::Kind::kLoop) && name == "cycle") return cycle(self, arguments);
  TemplateValue callee = attribute_of(state_, self, name);
  return state_.failed() ? TemplateValue() : call(callee, arguments);
}

TemplateValue TemplateEvaluator::cycle(const TemplateValue& loop, const TemplateArguments& arguments) {
  if (!arguments.named.empty()) return state_.fail("'cycle' takes no named arguments");
  if (arguments.positional.empty()) return state_.fail("no items for cycling given");
  return arguments.positional[loop.as_loop().index % arguments.positional.size()];
}

TemplateValue TemplateEvaluator::call(const TemplateValue& callee, const TemplateArguments& arguments) {
  if (callee.is_undefined()) return state_.fail_undefined(callee);
  if (callee.is(TemplateValue::Kind::kMacro)) return call_macro(callee.as_macro(), arguments);
  if (callee.is(TemplateValue::Kind::kLoop)) return call_loop(callee.as_loop(), arguments);
  if (callee.is(TemplateValue::Kind::kFunction)) {
    return call_template_function(state_, callee.function_name(), arguments);
  }
  return state_.fail("'" + std::string(callee.type_name()) + "' object is not callable");
}

TemplateValue TemplateEvaluator::defined_macro(const MacroStatement& definition) {
  if (!state_.allocate(sizeof(TemplateMacro))) return {};
  auto macro = std::make_shared<TemplateMacro>();
  macro->definition = &definition;
  macro->scope = scope_;
  return TemplateValue::macro(std::move(macro));
}

TemplateEvaluator::Flow TemplateEvaluator::run_call(const TemplateStatement& statement) {
  TemplateValue caller = defined_macro(*statement.macro);
  if (state_.failed()) return Flow::kNext;
  TemplateValue made = evaluate_call(*statement.expression, std::move(caller));
  if (!state_.failed()) put_value(made);
  return Flow::kNext;
}

// Gives the macro's parameters their values in the innermost scope.
bool TemplateEvaluator::bind_parameters(const MacroStatement& definition, const TemplateArguments& arguments) {
  const std::vector<std::string>& parameters = definition.parameters;
  std::size_t placed = std::min(arguments.positional.size(), parameters.size());
  for (std::size_t i = 0; i < placed; ++i) scope_->set(state_, parameters[i], arguments.positional[i]);
  auto find_named = [&](std::string_view name) {
    return std::find_if(arguments.named.begin(), arguments.named.end(),
                        [&](const auto& named) { return named.first == name; });
  };
  auto is_taken = [&](std::string_view name) {
    auto first_free = parameters.begin() + static_cast<std::ptrdiff_t>(placed);
    return (definition.takes_caller && name == "caller") ||
           std::find(first_free, parameters.end(), name) != parameters.end();
  };
  std::size_t without_default = parameters.size() - definition.defaults.size();
  for (std::size_t i = placed; i < parameters.size(); ++i) {
    if (auto named = find_named(parameters[i]); named != arguments.named.end()) {
      scope_->set(state_, parameters[i], named->second);
    } else {  // also what a default of another parameter sees until this one has its own
      scope_->set(state_, parameters[i],
                  TemplateValue::undefined("parameter '" + parameters[i] + "' was not provided"));
    }
  }
  for (std::size_t i = std::max(placed, without_default); i < parameters.size(); ++i) {
    if (find_named(parameters[i]) != arguments.named.end()) continue;
    scope_->set(state_, parameters[i], evaluate(*definition.defaults[i - without_default]));
  }
  if (definition.takes_caller) {
    auto caller = find_named("caller");
    scope_->set(state_, "caller",
                caller != arguments.named.end() ? caller->second : TemplateValue::undefined("No caller defined"));
  }
  std::vector<TemplateEntry> more_named;
  for (const auto& [name, value] : arguments.named) {
    if (is_taken(name)) continue;
    if (!definition.takes_kwargs) {
      state_.fail(shown(definition) + " got an unexpected argument '" + name.substr(0, 64) + "'");
      return false;
    }
    set_key(state_, more_named, TemplateValue::text(name), value);
  }
  if (definition.takes_kwargs) scope_->set(state_, "kwargs", state_.dict(std::move(more_named)));
  if (definition.takes_varargs) {
    auto first_left = arguments.positional.begin() + static_cast<std::ptrdiff_t>(placed);
    scope_->set(state_, "varargs", state_.list({first_left, arguments.positional.end()}, TemplateValue::Kind::kTuple));
  } else if (arguments.positional.size() > placed) {
    state_.fail(shown(definition) + " takes not more than " + std::to_string(parameters.size()) + " argument(s)");
  }
  return !state_.failed();
}

TemplateValue TemplateEvaluator::call_macro(const TemplateMacro& macro, const TemplateArguments& arguments) {
  const MacroStatement& definition = *macro.definition;
  std::shared_ptr<TemplateScope> defined_in = macro.scope.lock();
  if (!defined_in) return state_.fail("the " + shown(definition) + " is called outside of the block that defined it");
  EnteredScope entered(scope_, defined_in.get());
  if (!bind_parameters(definition, arguments)) return {};
  MarkedText outside = std::exchange(output_, MarkedText());
  run(definition.body);
  return state_.text(std::exchange(output_, std::move(outside)));
}

// loop(items) in a recursive loop: its text for these.
TemplateValue TemplateEvaluator::call_loop(const TemplateLoop& loop, const TemplateArguments& arguments) {
  if (loop.statement == nullptr) {
    return state_.fail("the loop must have the 'recursive' marker to be called recursively");
  }
  if (arguments.positional.size() != 1 || !arguments.named.empty())
    return state_.fail("a loop is called with one list");
  std::shared_ptr<TemplateScope> stands_in = loop.scope.lock();
  if (!stands_in) return state_.fail("a loop is called outside of the block it stands in");
  RenderState::Nesting nesting(state_);
  if (!nesting) return {};
  EnteredScope entered(scope_, stands_in.get());
  MarkedText outside = std::exchange(output_, MarkedText());
  run_loop(*loop.statement, items_of(*loop.statement, arguments.positional[0]), loop.recursion + 1);
  return state_.text(std::exchange(output_, std::move(outside)));
}

}  // namespace troupe
