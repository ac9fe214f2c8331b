#pragma once
// Renders a parsed template: walks the tree, one rendering per object.
#include <memory>
#include <string_view>
#include <vector>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_ast.hpp"
#include "text/chat_template/template_scope.hpp"

namespace troupe {

class TemplateEvaluator {
 public:
  explicit TemplateEvaluator(RenderState& state);

  void define(std::string_view name, TemplateValue value) { globals_->set(state_, name, std::move(value)); }
  MarkedText render(const StatementList& statements);  // meaningless when the state has failed

 private:
  enum class Flow : std::uint8_t { kNext, kBreak, kContinue };

  Flow run(const StatementList& statements);
  Flow run(const TemplateStatement& statement);
  Flow run_if(const TemplateStatement& statement);
  Flow run_for(const TemplateStatement& statement);
  Flow run_loop(const TemplateStatement& statement, std::vector<TemplateValue> items, std::uint32_t recursion);
  Flow run_call(const TemplateStatement& statement);
  Flow run_with(const TemplateStatement& statement);
  void run_set(const TemplateStatement& statement);
  void run_macro_definition(const TemplateStatement& statement);
  void put(const MarkedText& text);
  bool has_room_for(std::size_t bytes);
  void put_value(const TemplateValue& value);
  void put_filtered(const TemplateValue& value);
  void assign(const AssignmentTarget& target, const TemplateValue& value);
  // The items of a loop that its condition keeps.
  std::vector<TemplateValue> items_of(const TemplateStatement& statement, const TemplateValue& all);
  TemplateValue defined_macro(const MacroStatement& definition);

  // The text of a block, evaluated in a scope of its own.
  TemplateValue captured(const StatementList& body, Flow& flow);
  TemplateValue through_filters(const TemplateExpression* filters, TemplateValue text);

  TemplateValue evaluate(const TemplateExpression& expression);
  TemplateValue evaluate_name(const TemplateExpression& expression);
  TemplateValue evaluate_list(const TemplateExpression& expression, TemplateValue::Kind kind);
  TemplateValue evaluate_dict(const TemplateExpression& expression);
  TemplateValue evaluate_slice(const TemplateExpression& expression);
  TemplateValue evaluate_concat(const TemplateExpression& expression);
  TemplateValue evaluate_comparison(const TemplateExpression& expression);
  TemplateValue evaluate_conditional(const TemplateExpression& expression);
  TemplateValue evaluate_filter(const TemplateExpression& expression, TemplateValue input);
  TemplateValue evaluate_test(const TemplateExpression& expression);
  TemplateArguments evaluate_arguments(const TemplateExpression& expression, TemplateValue caller = {});
  void add_spread_arguments(const TemplateExpression& expression, TemplateArguments& arguments);
  TemplateValue evaluate_call(const TemplateExpression& expression, TemplateValue caller);
  TemplateValue call_method(const TemplateValue& self, std::string_view name, const TemplateArguments& arguments);
  TemplateValue call(const TemplateValue& callee, const TemplateArguments& arguments);
  TemplateValue call_macro(const TemplateMacro& macro, const TemplateArguments& arguments);
  bool bind_parameters(const MacroStatement& definition, const TemplateArguments& arguments);
  TemplateValue call_loop(const TemplateLoop& loop, const TemplateArguments& arguments);
  TemplateValue cycle(const TemplateValue& loop, const TemplateArguments& arguments);

  RenderState& state_;
  std::shared_ptr<TemplateScope> globals_;
  std::shared_ptr<TemplateScope> scope_;  // the innermost
  MarkedText output_;                     // of the block being rendered
};

}  // namespace troupe
