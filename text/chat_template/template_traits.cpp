#include "text/chat_template/template_traits.hpp"

#include <algorithm>

namespace troupe {

namespace {

// message.content, message['content'], or a variable of that name.
bool is_content(const TemplateExpression& e) {
  switch (e.kind) {
    case TemplateExpression::Kind::kName:
    case TemplateExpression::Kind::kAttribute:
      return e.name == "content";
    case TemplateExpression::Kind::kItem:
      return e.parts[1]->kind == TemplateExpression::Kind::kLiteral && e.parts[1]->literal.is_text() &&
             e.parts[1]->literal.as_text() == "content";
    default:
      return false;
  }
}

class Walk {
 public:
  explicit Walk(TemplateTraits& traits) : traits_(traits) {}

  void over(const StatementList& statements) {
    for (const TemplateStatement& statement : statements) over(statement);
  }

 private:
  void over(const TemplateStatement& s) {
    if (s.kind == TemplateStatement::Kind::kFor) traits_.takes_parts |= is_content(*s.expression);
    for (const ExpressionPointer* e : {&s.expression, &s.condition}) over(*e);
    for (const ConditionalBranch& branch : s.branches) {
      over(branch.condition);
      over(branch.body);
    }
    for (const auto& [target, value] : s.with) over(value);
    if (s.macro) {
      for (const ExpressionPointer& value : s.macro->defaults) over(value);
      over(s.macro->body);
    }
    over(s.body);
    over(s.otherwise);
  }

  void over(const ExpressionPointer& e) {
    if (!e) return;
    if (e->kind == TemplateExpression::Kind::kFilter && e->parts[0] && is_content(*e->parts[0])) {
      constexpr std::string_view kOverItems[] = {"map", "reject", "rejectattr", "select", "selectattr"};
      traits_.takes_parts |= std::find(std::begin(kOverItems), std::end(kOverItems), e->name) != std::end(kOverItems);
    }
    if (e->kind == TemplateExpression::Kind::kTest && e->name == "none")
      traits_.asks_for_none |= is_content(*e->parts[0]);
    for (const ExpressionPointer& part : e->parts) over(part);
    for (const auto& [name, value] : e->named) over(value);
    over(e->more_positional);
    over(e->more_named);
  }

  TemplateTraits& traits_;
};

}  // namespace

TemplateTraits traits_of(const StatementList& statements, std::string_view source) {
  TemplateTraits traits;
  traits.knows_developer = source.find("developer") != std::string_view::npos;
  Walk(traits).over(statements);
  return traits;
}

}  // namespace troupe
