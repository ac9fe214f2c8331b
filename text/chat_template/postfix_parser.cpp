// What follows an operand: attributes, subscripts, calls, filters and tests.
#include <algorithm>
#include <utility>

#include "text/chat_template/expression_parser.hpp"
#include "text/chat_template/template_limits.hpp"

namespace troupe {

using Kind = TemplateExpression::Kind;
using Word = TemplateToken::Kind;

ExpressionPointer ExpressionParser::parse_postfix(ExpressionPointer value) {
  while (!failed()) {
    if (take_operator(".")) {
      bool by_index = now().kind == Word::kInt;
      ExpressionPointer made = make(by_index ? Kind::kItem : Kind::kAttribute);
      add(made, std::move(value));
      if (by_index) {
        add(made, parse_primary());
      } else {
        made->name = expect_name();
      }
      value = std::move(made);
    } else if (is_operator("[")) {
      value = parse_subscript(std::move(value));
    } else if (is_operator("(")) {
      ExpressionPointer made = make(Kind::kCall);
      add(made, std::move(value));
      parse_arguments(made);
      value = std::move(made);
    } else {
      break;
    }
  }
  return value;
}

ExpressionPointer ExpressionParser::parse_subscript(ExpressionPointer value) {
  take();
  ExpressionPointer bounds[3];
  std::size_t colons = 0;
  while (!failed() && !is_operator("]") && colons < 3) {
    if (take_operator(":")) {
      ++colons;
    } else if (bounds[colons]) {
      break;
    } else {
      bounds[colons] = parse_expression();
    }
  }
  if (is_operator(",")) fail("several subscripts at once are not supported");
  if (colons > 2 || (colons == 0 && !bounds[0])) fail_unexpected();
  expect_operator("]");
  ExpressionPointer made = make(colons == 0 ? Kind::kItem : Kind::kSlice);
  add(made, std::move(value));
  add(made, std::move(bounds[0]));
  if (colons > 0) {
    add(made, std::move(bounds[1]));
    add(made, std::move(bounds[2]));
  }
  return made;
}

void ExpressionParser::parse_arguments(ExpressionPointer& call) {
  auto argument = [&] {
    ExpressionPointer value = parse_expression();
    call->depth = std::max(call->depth, value->depth + 1);
    if (call->depth > kTemplateNestingMax) fail("an expression is nested too deep");
    return value;
  };
  expect_operator("(");
  while (!failed() && !is_operator(")")) {
    if (call->more_named) return fail("an argument follows a '**' one");
    if (take_operator("**")) {
      call->more_named = argument();
    } else if (now().kind == Word::kName && next().kind == Word::kOperator && next().text == "=") {
      std::string name = expect_name();
      take();
      call->named.emplace_back(std::move(name), argument());
    } else if (is_operator("*")) {
      if (call->more_positional) return fail("two '*' arguments");
      take();
      call->more_positional = argument();
    } else {
      if (!call->named.empty() || call->more_positional) return fail("a positional argument follows a named one");
      add(call, parse_expression());
    }
    if (!is_operator(")")) expect_operator(",");
  }
  expect_operator(")");
}

ExpressionPointer ExpressionParser::parse_filters_and_tests(ExpressionPointer value) {
  while (!failed()) {
    if (take_operator("|")) {
      value = parse_filter(std::move(value));
    } else if (is_name("is")) {
      value = parse_test(std::move(value));
    } else if (is_operator("(")) {
      ExpressionPointer made = make(Kind::kCall);
      add(made, std::move(value));
      parse_arguments(made);
      value = std::move(made);
    } else {
      break;
    }
  }
  return value;
}

ExpressionPointer ExpressionParser::parse_filters(ExpressionPointer input) {
  while (!failed() && take_operator("|")) input = parse_filter(std::move(input));
  return input;
}

ExpressionPointer ExpressionParser::parse_filters_of_block() { return parse_filters(parse_filter(nullptr)); }

ExpressionPointer ExpressionParser::parse_filter(ExpressionPointer input) {
  ExpressionPointer made = make(Kind::kFilter, expect_name());
  made->filter = find_template_filter(made->name);
  if (made->filter == nullptr) fail("the filter '" + made->name.substr(0, 64) + "' is not supported");
  add(made, std::move(input));
  if (is_operator("(")) parse_arguments(made);
  return made;
}

ExpressionPointer ExpressionParser::parse_test(ExpressionPointer value) {
  take();
  bool negated = take_name("not");
  ExpressionPointer made = make(Kind::kTest, expect_name());
  made->test = find_template_test(made->name);
  if (made->test == nullptr) fail("the test '" + made->name.substr(0, 64) + "' is not supported");
  add(made, std::move(value));
  bool operand = now().kind == Word::kString || now().kind == Word::kInt || now().kind == Word::kFloat ||
                 is_operator("[") || is_operator("{") ||
                 (now().kind == Word::kName && !is_name("else") && !is_name("or") && !is_name("and"));
  if (is_operator("(")) {
    parse_arguments(made);
  } else if (is_name("is")) {
    fail("tests cannot be chained with 'is'");
  } else if (operand) {
    add(made, parse_postfix(parse_primary()));
  }
  if (!negated) return made;
  ExpressionPointer inverse = make(Kind::kNot);
  add(inverse, std::move(made));
  return inverse;
}

}  // namespace troupe
