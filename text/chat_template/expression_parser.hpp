#pragma once
// Recursive descent over expressions, loosest operator first. The statement parser builds on it.
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/result.hpp"
#include "text/chat_template/template_ast.hpp"
#include "text/chat_template/template_token.hpp"

namespace troupe {

// After an error the current token is the end, so every loop comes to its own end.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<TemplateToken> tokens) : tokens_(std::move(tokens)) {}

 protected:
  using Expression = TemplateExpression;

  ExpressionPointer parse_expression();  // with an inline if
  // A tuple without parentheses when there is a comma. Without an inline if where that belongs to the statement.
  ExpressionPointer parse_tuple(bool with_conditional);
  ExpressionPointer parse_filters(ExpressionPointer input);  // |name(...)|name(...)...
  ExpressionPointer parse_filters_of_block();                // name(...)|name(...)...

  const TemplateToken& now() const { return failed() ? tokens_.back() : tokens_[at_]; }
  const TemplateToken& next() const {
    return failed() || at_ + 1 >= tokens_.size() ? tokens_.back() : tokens_[at_ + 1];
  }
  void take() { at_ += at_ + 1 < tokens_.size(); }
  bool at_end() const { return now().kind == TemplateToken::Kind::kEnd; }
  bool is_name(std::string_view name) const { return now().kind == TemplateToken::Kind::kName && now().text == name; }
  bool is_operator(std::string_view op) const {
    return now().kind == TemplateToken::Kind::kOperator && now().text == op;
  }
  bool take_operator(std::string_view op);
  bool take_name(std::string_view name);
  void expect_operator(std::string_view op);
  std::string expect_name();

  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }
  void fail(std::string why);
  void fail_unexpected();  // names the current token

  // Counts the nesting of the parser itself, and the nodes it made.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };
  void count_node();

  // Which of the names that a macro may take without declaring them have been read since this was last set.
  struct MacroNames {
    bool caller = false;
    bool varargs = false;
    bool kwargs = false;
  };
  MacroNames read_names_;

 private:
  ExpressionPointer make(Expression::Kind kind, std::string name = {});
  void add(ExpressionPointer& parent, ExpressionPointer part);  // a part may be null
  ExpressionPointer binary(Expression::Kind kind, ExpressionPointer left, ExpressionPointer right, std::string op = {});

  ExpressionPointer parse_conditional();
  ExpressionPointer parse_or();
  ExpressionPointer parse_and();
  ExpressionPointer parse_not();
  ExpressionPointer parse_comparison();
  std::optional<std::string> take_comparison_operator();
  ExpressionPointer parse_sum();
  ExpressionPointer parse_concat();
  ExpressionPointer parse_product();
  ExpressionPointer parse_power();
  ExpressionPointer parse_unary(bool with_filters);
  ExpressionPointer parse_primary();
  ExpressionPointer parse_parenthesized();
  ExpressionPointer parse_list();
  ExpressionPointer parse_dict();
  ExpressionPointer parse_postfix(ExpressionPointer value);
  ExpressionPointer parse_subscript(ExpressionPointer value);
  ExpressionPointer parse_filters_and_tests(ExpressionPointer value);
  ExpressionPointer parse_filter(ExpressionPointer input);  // name(...)
  ExpressionPointer parse_test(ExpressionPointer value);
  void parse_arguments(ExpressionPointer& call);

  std::vector<TemplateToken> tokens_;
  std::size_t at_ = 0;
  std::uint32_t nesting_ = 0;
  std::size_t nodes_ = 0;
  std::optional<Error> error_;
};

}  // namespace troupe
