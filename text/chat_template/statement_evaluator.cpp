#include <utility>

#include "text/chat_template/evaluator.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

using Kind = TemplateStatement::Kind;

namespace {

// Makes a scope the innermost one for as long as it lives.
class EnteredScope {
 public:
  EnteredScope(std::shared_ptr<TemplateScope>& innermost, TemplateScope* outer)
      : innermost_(innermost), before_(std::exchange(innermost, std::make_shared<TemplateScope>(outer))) {}
  ~EnteredScope() { innermost_ = std::move(before_); }
  EnteredScope(const EnteredScope&) = delete;
  EnteredScope& operator=(const EnteredScope&) = delete;

 private:
  std::shared_ptr<TemplateScope>& innermost_;
  std::shared_ptr<TemplateScope> before_;
};

}  // namespace

TemplateEvaluator::TemplateEvaluator(RenderState& state)
    : state_(state), globals_(std::make_shared<TemplateScope>(nullptr)), scope_(globals_) {
  for (const char* name : {"range", "namespace", "dict", "raise_exception"})
    define(name, TemplateValue::function(name));
}

MarkedText TemplateEvaluator::render(const StatementList& statements) {
  EnteredScope entered(scope_, globals_.get());
  run(statements);
  return std::move(output_);
}

bool TemplateEvaluator::has_room_for(std::size_t bytes) {
  if (bytes > state_.limits().output_bytes - output_.bytes().size()) {
    state_.fail("the text is longer than " + std::to_string(state_.limits().output_bytes) + " bytes");
  }
  return state_.step(1 + bytes / 256);
}

void TemplateEvaluator::put(const MarkedText& text) {
  if (has_room_for(text.bytes().size())) output_.append(text);
}

void TemplateEvaluator::put_value(const TemplateValue& value) {
  if (value.is_text()) return put(value.as_marked());
  MarkedText text = text_of(state_, value);
  if (!state_.failed()) put(text);
}

TemplateEvaluator::Flow TemplateEvaluator::run(const StatementList& statements) {
  RenderState::Nesting nesting(state_);
  if (!nesting) return Flow::kNext;
  for (const TemplateStatement& statement : statements) {
    Flow flow = run(statement);
    if (flow != Flow::kNext || state_.failed()) return flow;
  }
  return Flow::kNext;
}

TemplateEvaluator::Flow TemplateEvaluator::run(const TemplateStatement& statement) {
  state_.line = statement.line;
  if (!state_.step()) return Flow::kNext;
  Flow flow = Flow::kNext;
  switch (statement.kind) {
    case Kind::kText:
      if (has_room_for(statement.text.size())) output_.append(statement.text);
      return flow;
    case Kind::kOutput:
      put_value(evaluate(*statement.expression));
      return flow;
    case Kind::kIf:
      return run_if(statement);
    case Kind::kFor:
      return run_for(statement);
    case Kind::kSet:
      run_set(statement);
      return flow;
    case Kind::kSetBlock:
      assign(statement.target, through_filters(statement.expression.get(), captured(statement.body, flow)));
      return flow;
    case Kind::kMacro:
      run_macro_definition(statement);
      return flow;
    case Kind::kFilterBlock:
      put_value(through_filters(statement.expression.get(), captured(statement.body, flow)));
      return flow;
    case Kind::kWith:
      return run_with(statement);
    case Kind::kScope: {
      EnteredScope entered(scope_, scope_.get());
      return run(statement.body);
    }
    case Kind::kDo:
      evaluate(*statement.expression);
      return flow;
    case Kind::kBreak:
      return Flow::kBreak;
    case Kind::kContinue:
      return Flow::kContinue;
  }
  return flow;
}

TemplateEvaluator::Flow TemplateEvaluator::run_if(const TemplateStatement& statement) {
  for (const ConditionalBranch& branch : statement.branches) {
    if (!branch.condition || evaluate(*branch.condition).truthy()) return run(branch.body);
    if (state_.failed()) break;
  }
  return Flow::kNext;
}

std::vector<TemplateValue> TemplateEvaluator::items_of(const TemplateStatement& statement) {
  std::vector<TemplateValue> items = iterate(state_, evaluate(*statement.expression));
  if (!statement.condition) return items;
  std::vector<TemplateValue> kept;
  for (TemplateValue& item : items) {
    EnteredScope entered(scope_, scope_.get());
    assign(statement.target, item);
    if (evaluate(*statement.condition).truthy()) kept.push_back(std::move(item));
    if (state_.failed()) break;
  }
  return kept;
}

TemplateEvaluator::Flow TemplateEvaluator::run_for(const TemplateStatement& statement) {
  TemplateValue items = state_.list(items_of(statement));
  if (state_.failed()) return Flow::kNext;
  bool completed = false;  // an iteration, without break or continue: as in Jinja, else is for when none was
  std::uint32_t nesting = loop_nesting_++;
  for (std::size_t i = 0; i < items.items().size() && state_.step(); ++i) {
    EnteredScope entered(scope_, scope_.get());
    auto loop = std::make_shared<TemplateLoop>();
    loop->items = items, loop->index = i, loop->nesting = nesting;
    if (!state_.allocate(sizeof(TemplateLoop) + sizeof(TemplateScope))) break;
    scope_->set(state_, "loop", TemplateValue::loop(std::move(loop)));
    assign(statement.target, items.items()[i]);
    Flow flow = run(statement.body);
    if (flow == Flow::kBreak) break;
    completed = completed || flow == Flow::kNext;
  }
  --loop_nesting_;
  if (completed || state_.failed()) return Flow::kNext;
  EnteredScope entered(scope_, scope_.get());
  return run(statement.otherwise);
}

TemplateEvaluator::Flow TemplateEvaluator::run_with(const TemplateStatement& statement) {
  std::vector<TemplateValue> values;  // all of them see the outer scope
  for (const auto& [target, expression] : statement.with) values.push_back(evaluate(*expression));
  EnteredScope entered(scope_, scope_.get());
  for (std::size_t i = 0; i < values.size(); ++i) assign(statement.with[i].first, values[i]);
  return run(statement.body);
}

void TemplateEvaluator::run_set(const TemplateStatement& statement) {
  assign(statement.target, evaluate(*statement.expression));
}

void TemplateEvaluator::run_macro_definition(const TemplateStatement& statement) {
  auto macro = std::make_shared<TemplateMacro>();
  macro->definition = statement.macro.get();
  macro->scope = scope_;
  if (state_.allocate(sizeof(TemplateMacro))) {
    scope_->set(state_, statement.macro->name, TemplateValue::macro(std::move(macro)));
  }
}

void TemplateEvaluator::assign(const AssignmentTarget& target, const TemplateValue& value) {
  if (state_.failed()) return;
  if (!target.attribute.empty()) {
    const TemplateValue* found = scope_->find(state_, target.names[0]);
    if (found == nullptr || !found->is(TemplateValue::Kind::kNamespace)) {
      state_.fail("cannot assign attribute on non-namespace object");
    } else if (state_.allocate(sizeof(TemplateEntry)) &&
               state_.step(1 + found->as_namespace()->attributes.size() / 16)) {
      found->as_namespace()->set(target.attribute, value);
    }
    return;
  }
  if (!target.unpack) return scope_->set(state_, target.names[0], value);
  std::vector<TemplateValue> parts = iterate(state_, value);
  if (state_.failed()) return;
  if (parts.size() != target.names.size()) {
    state_.fail("cannot unpack " + std::to_string(parts.size()) + " values into " +
                std::to_string(target.names.size()) + " names");
    return;
  }
  for (std::size_t i = 0; i < parts.size(); ++i) scope_->set(state_, target.names[i], parts[i]);
}

TemplateValue TemplateEvaluator::captured(const StatementList& body, Flow& flow) {
  MarkedText outside = std::exchange(output_, MarkedText());
  {
    EnteredScope entered(scope_, scope_.get());
    flow = run(body);
  }
  return state_.text(std::exchange(output_, std::move(outside)));
}

TemplateValue TemplateEvaluator::through_filters(const TemplateExpression* filters, TemplateValue text) {
  if (filters == nullptr || state_.failed()) return text;
  const auto& inner = filters->parts[0];
  return evaluate_filter(*filters, through_filters(inner.get(), std::move(text)));
}

TemplateValue TemplateEvaluator::call_macro(const TemplateMacro& macro, const TemplateArguments& arguments) {
  const MacroStatement& definition = *macro.definition;
  std::shared_ptr<TemplateScope> defined_in = macro.scope.lock();
  if (!defined_in)
    return state_.fail("the macro '" + definition.name + "' is called outside of the block that defined it");
  if (arguments.positional.size() > definition.parameters.size()) {
    return state_.fail("macro '" + definition.name + "' takes not more than " +
                       std::to_string(definition.parameters.size()) + " argument(s)");
  }
  EnteredScope entered(scope_, defined_in.get());
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    scope_->set(state_, definition.parameters[i], arguments.positional[i]);
  }
  for (const auto& [name, value] : arguments.named) {
    std::size_t at = 0;
    while (at < definition.parameters.size() && definition.parameters[at] != name) ++at;
    if (at == definition.parameters.size() || at < arguments.positional.size()) {
      return state_.fail("macro '" + definition.name + "' got an unexpected argument '" + std::string(name) + "'");
    }
    scope_->set(state_, definition.parameters[at], value);
  }
  std::size_t without_default = definition.parameters.size() - definition.defaults.size();
  for (std::size_t i = arguments.positional.size(); i < definition.parameters.size(); ++i) {
    const std::string& name = definition.parameters[i];
    bool given = false;
    for (const auto& argument : arguments.named) given = given || argument.first == name;
    if (given) continue;
    TemplateValue value = i >= without_default ? evaluate(*definition.defaults[i - without_default])
                                               : TemplateValue::undefined("parameter '" + name + "' was not provided");
    scope_->set(state_, name, std::move(value));
  }
  MarkedText outside = std::exchange(output_, MarkedText());
  std::uint32_t nesting = std::exchange(loop_nesting_, 0);
  run(definition.body);
  loop_nesting_ = nesting;
  return state_.text(std::exchange(output_, std::move(outside)));
}

}  // namespace troupe
