#include <utility>

#include "text/chat_template/evaluator.hpp"
#include "text/chat_template/functions.hpp"
#include "text/chat_template/operators.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

using Kind = TemplateStatement::Kind;

TemplateEvaluator::TemplateEvaluator(RenderState& state)
    : state_(state), globals_(std::make_shared<TemplateScope>(nullptr)), scope_(globals_) {
  for (std::string_view name : template_functions()) define(name, TemplateValue::function(std::string(name)));
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

// What a {% filter %} block makes is joined with the text around it, which only a text can be.
void TemplateEvaluator::put_filtered(const TemplateValue& value) {
  if (state_.failed()) return;
  if (value.is_text()) return put(value.as_marked());
  state_.fail("a filter block must make a string, not " + std::string(value.type_name()));
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
    case Kind::kCall:
      return run_call(statement);
    case Kind::kFilterBlock:
      put_filtered(through_filters(statement.expression.get(), captured(statement.body, flow)));
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

std::vector<TemplateValue> TemplateEvaluator::items_of(const TemplateStatement& statement, const TemplateValue& all) {
  std::vector<TemplateValue> items = iterate(state_, all);
  if (!statement.condition) return items;
  std::vector<TemplateValue> kept;
  for (TemplateValue& item : items) {
    EnteredScope entered(scope_, scope_.get());
    assign(statement.target, item);
    if (evaluate(*statement.condition).truthy()) {
      bool unpacked = statement.target.unpack && !item.is(TemplateValue::Kind::kTuple);  // then as a tuple
      kept.push_back(unpacked ? state_.list(iterate(state_, item), TemplateValue::Kind::kTuple) : std::move(item));
    }
    if (state_.failed()) break;
  }
  return kept;
}

TemplateEvaluator::Flow TemplateEvaluator::run_for(const TemplateStatement& statement) {
  return run_loop(statement, items_of(statement, evaluate(*statement.expression)), 0);
}

TemplateEvaluator::Flow TemplateEvaluator::run_loop(const TemplateStatement& statement,
                                                    std::vector<TemplateValue> all_items, std::uint32_t recursion) {
  TemplateValue items = state_.list(std::move(all_items));
  if (state_.failed()) return Flow::kNext;
  bool completed = false;  // an iteration, without break or continue: as in Jinja, else is for when none was
  std::weak_ptr<TemplateScope> outside = scope_;
  for (std::size_t i = 0; i < items.items().size() && state_.step(); ++i) {
    EnteredScope entered(scope_, scope_.get());
    auto loop = std::make_shared<TemplateLoop>();
    loop->items = items, loop->index = i, loop->recursion = recursion;
    if (statement.is_recursive) loop->statement = &statement, loop->scope = outside;
    if (!state_.allocate(sizeof(TemplateLoop) + sizeof(TemplateScope))) break;
    scope_->set(state_, "loop", TemplateValue::loop(std::move(loop)));
    assign(statement.target, items.items()[i]);
    Flow flow = run(statement.body);
    if (flow == Flow::kBreak) break;
    completed = completed || flow == Flow::kNext;
  }
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
  TemplateValue macro = defined_macro(*statement.macro);
  if (!state_.failed()) scope_->set(state_, statement.macro->name, std::move(macro));
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

}  // namespace troupe
