#include "text/chat_template/expression_parser.hpp"

#include <algorithm>
#include <utility>

#include "text/chat_template/template_limits.hpp"

namespace troupe {

using Kind = TemplateExpression::Kind;
using Word = TemplateToken::Kind;

bool ExpressionParser::take_operator(std::string_view op) {
  if (!is_operator(op)) return false;
  take();
  return true;
}

bool ExpressionParser::take_name(std::string_view name) {
  if (!is_name(name)) return false;
  take();
  return true;
}

void ExpressionParser::expect_operator(std::string_view op) {
  if (!take_operator(op)) fail_unexpected();
}

std::string ExpressionParser::expect_name() {
  if (now().kind != Word::kName) {
    fail_unexpected();
    return {};
  }
  std::string name = now().text;
  take();
  return name;
}

void ExpressionParser::fail(std::string why) {
  if (error_) return;
  error_ =
      Error{ErrorCode::kModelFile, "chat template, line " + std::to_string(now().line) + ": " + std::move(why), "", 0};
}

void ExpressionParser::fail_unexpected() {
  switch (now().kind) {
    case Word::kEnd:
      return fail("unexpected end of the template");
    case Word::kText:
      return fail("unexpected text");
    case Word::kOutputBegin:
    case Word::kOutputEnd:
    case Word::kBlockBegin:
    case Word::kBlockEnd:
      return fail("unexpected end of a tag");
    case Word::kString:
      return fail("unexpected string");
    case Word::kName:
    case Word::kInt:
    case Word::kFloat:
    case Word::kOperator:
      return fail("unexpected '" + now().text.substr(0, 64) + "'");
  }
}

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kTemplateNestingMax) parser_.fail("it is nested too deep");
}

void ExpressionParser::count_node() {
  if (++nodes_ > kTemplateNodesMax) fail("it has more than " + std::to_string(kTemplateNodesMax) + " nodes");
}

ExpressionPointer ExpressionParser::make(Kind kind, std::string name) {
  count_node();
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = now().line;
  made->name = std::move(name);
  return made;
}

void ExpressionParser::add(ExpressionPointer& parent, ExpressionPointer part) {
  if (part) parent->depth = std::max(parent->depth, part->depth + 1);
  if (parent->depth > kTemplateNestingMax) fail("an expression is nested too deep");
  parent->parts.push_back(std::move(part));
}

ExpressionPointer ExpressionParser::binary(Kind kind, ExpressionPointer left, ExpressionPointer right, std::string op) {
  ExpressionPointer made = make(kind);
  add(made, std::move(left));
  add(made, std::move(right));
  made->operators.push_back(std::move(op));
  return made;
}

ExpressionPointer ExpressionParser::parse_expression() {
  Nesting nesting(*this);
  if (failed()) return make(Kind::kLiteral);
  return parse_conditional();
}

ExpressionPointer ExpressionParser::parse_conditional() {
  ExpressionPointer value = parse_or();
  while (take_name("if")) {
    ExpressionPointer made = make(Kind::kConditional);
    add(made, std::move(value));
    add(made, parse_or());
    add(made, take_name("else") ? parse_expression() : nullptr);
    value = std::move(made);
  }
  return value;
}

ExpressionPointer ExpressionParser::parse_or() {
  ExpressionPointer left = parse_and();
  while (take_name("or")) left = binary(Kind::kOr, std::move(left), parse_and());
  return left;
}

ExpressionPointer ExpressionParser::parse_and() {
  ExpressionPointer left = parse_not();
  while (take_name("and")) left = binary(Kind::kAnd, std::move(left), parse_not());
  return left;
}

ExpressionPointer ExpressionParser::parse_not() {
  if (!is_name("not")) return parse_comparison();
  Nesting nesting(*this);
  take();
  ExpressionPointer made = make(Kind::kNot);
  add(made, parse_not());
  return made;
}

std::optional<std::string> ExpressionParser::take_comparison_operator() {
  for (std::string_view op : {"==", "!=", "<", "<=", ">", ">="}) {
    if (take_operator(op)) return std::string(op);
  }
  if (take_name("in")) return "in";
  if (is_name("not") && next().kind == Word::kName && next().text == "in") {
    take(), take();
    return "not in";
  }
  return std::nullopt;
}

ExpressionPointer ExpressionParser::parse_comparison() {
  ExpressionPointer left = parse_sum();
  std::optional<std::string> op = take_comparison_operator();
  if (!op) return left;
  ExpressionPointer made = make(Kind::kComparison);
  add(made, std::move(left));
  for (; op; op = take_comparison_operator()) {
    made->operators.push_back(*op);
    add(made, parse_sum());
  }
  return made;
}

ExpressionPointer ExpressionParser::parse_sum() {
  ExpressionPointer left = parse_concat();
  while (is_operator("+") || is_operator("-")) {
    std::string op = now().text;
    take();
    left = binary(Kind::kArithmetic, std::move(left), parse_concat(), std::move(op));
  }
  return left;
}

ExpressionPointer ExpressionParser::parse_concat() {
  ExpressionPointer first = parse_product();
  if (!is_operator("~")) return first;
  ExpressionPointer made = make(Kind::kConcat);
  add(made, std::move(first));
  while (take_operator("~")) add(made, parse_product());
  return made;
}

ExpressionPointer ExpressionParser::parse_product() {
  ExpressionPointer left = parse_power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    std::string op = now().text;
    take();
    left = binary(Kind::kArithmetic, std::move(left), parse_power(), std::move(op));
  }
  return left;
}

// Left-associative, and a sign binds tighter: -2**2 is 4. So Jinja has it.
ExpressionPointer ExpressionParser::parse_power() {
  ExpressionPointer left = parse_unary(true);
  while (take_operator("**")) left = binary(Kind::kArithmetic, std::move(left), parse_unary(true), "**");
  return left;
}

ExpressionPointer ExpressionParser::parse_unary(bool with_filters) {
  Nesting nesting(*this);
  if (failed()) return make(Kind::kLiteral);
  ExpressionPointer value;
  if (is_operator("-") || is_operator("+")) {
    value = make(is_operator("-") ? Kind::kNegative : Kind::kPositive);
    take();
    add(value, parse_unary(false));
  } else {
    value = parse_primary();
  }
  value = parse_postfix(std::move(value));
  return with_filters ? parse_filters_and_tests(std::move(value)) : std::move(value);
}

ExpressionPointer ExpressionParser::parse_primary() {
  const TemplateToken& token = now();
  ExpressionPointer made;
  switch (token.kind) {
    case Word::kName:
      if (token.text == "true" || token.text == "True" || token.text == "false" || token.text == "False") {
        made = make(Kind::kLiteral);
        made->literal = TemplateValue::boolean(token.text == "true" || token.text == "True");
      } else if (token.text == "none" || token.text == "None") {
        made = make(Kind::kLiteral);
        made->literal = TemplateValue::none();
      } else {
        made = make(Kind::kName, token.text);
        read_names_.caller |= token.text == "caller";
        read_names_.varargs |= token.text == "varargs";
        read_names_.kwargs |= token.text == "kwargs";
      }
      take();
      return made;
    case Word::kInt:
      made = make(Kind::kLiteral);
      made->literal = TemplateValue::integer(token.integer);
      take();
      return made;
    case Word::kFloat:
      made = make(Kind::kLiteral);
      made->literal = TemplateValue::real(token.real);
      take();
      return made;
    case Word::kString: {
      made = make(Kind::kLiteral);
      std::string text;
      for (; now().kind == Word::kString; take()) text += now().text;
      made->literal = TemplateValue::text(std::move(text));
      return made;
    }
    case Word::kOperator:
      if (token.text == "(") return parse_parenthesized();
      if (token.text == "[") return parse_list();
      if (token.text == "{") return parse_dict();
      break;
    default:
      break;
  }
  fail_unexpected();
  return make(Kind::kLiteral);
}

ExpressionPointer ExpressionParser::parse_tuple(bool with_conditional) {
  Nesting nesting(*this);
  auto element = [&] { return with_conditional ? parse_expression() : parse_or(); };
  ExpressionPointer first = element();
  if (!is_operator(",")) return first;
  ExpressionPointer made = make(Kind::kTuple);
  add(made, std::move(first));
  while (take_operator(",")) {
    if (is_operator(")") || now().kind == Word::kOutputEnd || now().kind == Word::kBlockEnd) break;
    add(made, element());
  }
  return made;
}

ExpressionPointer ExpressionParser::parse_parenthesized() {
  take();
  if (take_operator(")")) return make(Kind::kTuple);
  ExpressionPointer inner = parse_tuple(true);
  expect_operator(")");
  return inner;
}

ExpressionPointer ExpressionParser::parse_list() {
  take();
  ExpressionPointer made = make(Kind::kList);
  while (!failed() && !is_operator("]")) {
    add(made, parse_expression());
    if (!is_operator("]")) expect_operator(",");
  }
  expect_operator("]");
  return made;
}

ExpressionPointer ExpressionParser::parse_dict() {
  take();
  ExpressionPointer made = make(Kind::kDict);
  while (!failed() && !is_operator("}")) {
    add(made, parse_expression());
    expect_operator(":");
    add(made, parse_expression());
    if (!is_operator("}")) expect_operator(",");
  }
  expect_operator("}");
  return made;
}

}  // namespace troupe
