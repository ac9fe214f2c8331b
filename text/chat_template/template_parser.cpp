#include "text/chat_template/template_parser.hpp"

#include <algorithm>
#include <utility>

#include "text/chat_template/expression_parser.hpp"
#include "text/chat_template/template_token.hpp"

namespace troupe {

namespace {

using Kind = TemplateStatement::Kind;
using Word = TemplateToken::Kind;

constexpr std::string_view kUnsupportedTags[] = {"extends", "block",      "include", "import",
                                                 "from",    "autoescape", "trans"};

class StatementParser : private ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Result<StatementList> run() {
    StatementList statements = parse_until({});
    if (!failed() && !at_end()) fail_unexpected();
    if (failed()) return error();
    return statements;
  }

 private:
  TemplateStatement make(Kind kind) {
    count_node();
    TemplateStatement made;
    made.kind = kind;
    made.line = now().line;
    return made;
  }

  bool is_block_tag(std::string_view name) const {
    return now().kind == Word::kBlockBegin && next().kind == Word::kName && next().text == name;
  }

  // Statements up to, not including, a block tag with one of these names.
  StatementList parse_until(std::initializer_list<std::string_view> ends) {
    Nesting nesting(*this);
    StatementList statements;
    while (!failed() && !at_end()) {
      for (std::string_view end : ends) {
        if (is_block_tag(end)) return statements;
      }
      if (now().kind == Word::kText) {
        statements.push_back(make(Kind::kText));
        statements.back().text = now().text;
        take();
      } else if (now().kind == Word::kOutputBegin) {
        take();
        statements.push_back(make(Kind::kOutput));
        statements.back().expression = parse_tuple(true);
        expect(Word::kOutputEnd);
      } else if (now().kind == Word::kBlockBegin) {
        take();
        statements.push_back(parse_tag());
      } else {
        fail_unexpected();
      }
    }
    if (!failed() && ends.size() > 0)
      fail("a block is not closed: {% " + std::string(*(ends.end() - 1)) + " %} is missing");
    return statements;
  }

  void expect(Word kind) {
    if (now().kind != kind) return fail_unexpected();
    take();
  }

  // "{% name %}", the end of a block that parse_until has found.
  void expect_end_tag(std::string_view name) {
    expect(Word::kBlockBegin);
    if (!take_name(name)) fail_unexpected();
    expect(Word::kBlockEnd);
  }

  TemplateStatement parse_tag() {
    std::string tag = expect_name();
    if (tag == "if") return parse_if();
    if (tag == "for") return parse_for();
    if (tag == "set") return parse_set();
    if (tag == "macro") return parse_macro();
    if (tag == "call") return parse_call();
    if (tag == "filter") return parse_filter_block();
    if (tag == "with") return parse_with();
    if (tag == "generation") return parse_generation();
    if (tag == "do") return parse_do();
    if (tag == "break" || tag == "continue") return parse_loop_control(tag);
    for (std::string_view unsupported : kUnsupportedTags) {
      if (tag == unsupported) fail("the statement '" + tag + "' is not supported");
    }
    fail("unknown statement '" + tag.substr(0, 64) + "'");
    return make(Kind::kText);
  }

  TemplateStatement parse_if() {
    TemplateStatement made = make(Kind::kIf);
    for (bool more = true; more && !failed();) {
      ConditionalBranch branch;
      branch.condition = parse_tuple(false);
      expect(Word::kBlockEnd);
      branch.body = parse_until({"elif", "else", "endif"});
      made.branches.push_back(std::move(branch));
      more = is_block_tag("elif");
      if (more) take(), take();
    }
    if (is_block_tag("else")) {
      expect_end_tag("else");
      made.branches.push_back({nullptr, parse_until({"endif"})});
    }
    expect_end_tag("endif");
    return made;
  }

  TemplateStatement parse_for() {
    TemplateStatement made = make(Kind::kFor);
    made.target = parse_target(false);
    if (!take_name("in")) fail_unexpected();
    made.expression = parse_tuple(false);
    if (take_name("if")) made.condition = parse_expression();
    made.is_recursive = take_name("recursive");
    expect(Word::kBlockEnd);
    ++loops_;
    made.body = parse_until({"else", "endfor"});
    --loops_;
    if (is_block_tag("else")) {
      expect_end_tag("else");
      made.otherwise = parse_until({"endfor"});
    }
    expect_end_tag("endfor");
    return made;
  }

  AssignmentTarget parse_target(bool with_attribute) {
    AssignmentTarget target;
    bool parenthesized = take_operator("(");
    target.names.push_back(expect_target_name());
    if (with_attribute && !parenthesized && take_operator(".")) {
      target.attribute = expect_name();
      return target;
    }
    while (take_operator(",")) {
      target.unpack = true;
      if (is_operator(")") || is_operator("=") || is_name("in")) break;
      if (is_operator("(")) {
        fail("nested unpacking is not supported");
        break;
      }
      target.names.push_back(expect_target_name());
    }
    if (parenthesized) expect_operator(")");
    return target;
  }

  std::string expect_target_name() {
    for (std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (is_name(constant)) fail("cannot assign to '" + std::string(constant) + "'");
    }
    return expect_name();
  }

  TemplateStatement parse_set() {
    TemplateStatement made = make(Kind::kSet);
    made.target = parse_target(true);
    if (take_operator("=")) {
      made.expression = parse_tuple(true);
      expect(Word::kBlockEnd);
      return made;
    }
    made.kind = Kind::kSetBlock;
    if (made.target.unpack) fail("a block cannot be unpacked");
    made.expression = parse_filters(nullptr);
    expect(Word::kBlockEnd);
    made.body = parse_until({"endset"});
    expect_end_tag("endset");
    return made;
  }

  TemplateStatement parse_macro() {
    TemplateStatement made = make(Kind::kMacro);
    made.macro = std::make_unique<MacroStatement>();
    made.macro->name = expect_name();
    parse_parameters(*made.macro);
    expect(Word::kBlockEnd);
    parse_macro_body(*made.macro, "endmacro");
    expect(Word::kBlockBegin);
    if (!take_name("endmacro")) fail_unexpected();
    take_name(made.macro->name);
    expect(Word::kBlockEnd);
    return made;
  }

  // {% call(parameters) macro(arguments) %}: the block is a macro of its own, given as `caller`.
  TemplateStatement parse_call() {
    TemplateStatement made = make(Kind::kCall);
    made.macro = std::make_unique<MacroStatement>();
    if (is_operator("(")) parse_parameters(*made.macro);
    made.expression = parse_expression();
    if (made.expression->kind != TemplateExpression::Kind::kCall) fail("a 'call' block needs a call");
    expect(Word::kBlockEnd);
    parse_macro_body(*made.macro, "endcall");
    expect_end_tag("endcall");
    return made;
  }

  void parse_parameters(MacroStatement& macro) {
    expect_operator("(");
    while (!failed() && !is_operator(")")) {
      macro.parameters.push_back(expect_target_name());
      if (take_operator("=")) {
        macro.defaults.push_back(parse_expression());
      } else if (!macro.defaults.empty()) {
        fail("a parameter without a default follows one with a default");
      }
      if (!is_operator(")")) expect_operator(",");
    }
    expect_operator(")");
  }

  void parse_macro_body(MacroStatement& macro, std::string_view end) {
    std::uint32_t loops_outside = std::exchange(loops_, 0);
    MacroNames outside = std::exchange(read_names_, MacroNames());
    macro.body = parse_until({end});
    auto declares = [&](std::string_view name) {
      return std::find(macro.parameters.begin(), macro.parameters.end(), name) != macro.parameters.end();
    };
    macro.takes_caller = read_names_.caller && !declares("caller");
    macro.takes_varargs = read_names_.varargs && !declares("varargs");
    macro.takes_kwargs = read_names_.kwargs && !declares("kwargs");
    read_names_.caller |= outside.caller;
    read_names_.varargs |= outside.varargs;
    read_names_.kwargs |= outside.kwargs;
    loops_ = loops_outside;
  }

  TemplateStatement parse_filter_block() {
    TemplateStatement made = make(Kind::kFilterBlock);
    made.expression = parse_filters_of_block();
    expect(Word::kBlockEnd);
    made.body = parse_until({"endfilter"});
    expect_end_tag("endfilter");
    return made;
  }

  TemplateStatement parse_with() {
    TemplateStatement made = make(Kind::kWith);
    while (!failed() && now().kind != Word::kBlockEnd) {
      if (!made.with.empty()) expect_operator(",");
      AssignmentTarget target;
      target.names.push_back(expect_target_name());
      expect_operator("=");
      made.with.emplace_back(std::move(target), parse_expression());
    }
    expect(Word::kBlockEnd);
    made.body = parse_until({"endwith"});
    expect_end_tag("endwith");
    return made;
  }

  TemplateStatement parse_generation() {
    TemplateStatement made = make(Kind::kScope);
    expect(Word::kBlockEnd);
    made.body = parse_until({"endgeneration"});
    expect_end_tag("endgeneration");
    return made;
  }

  TemplateStatement parse_do() {
    TemplateStatement made = make(Kind::kDo);
    made.expression = parse_tuple(true);
    expect(Word::kBlockEnd);
    return made;
  }

  TemplateStatement parse_loop_control(const std::string& tag) {
    if (loops_ == 0) fail("'" + tag + "' outside of a loop");
    TemplateStatement made = make(tag == "break" ? Kind::kBreak : Kind::kContinue);
    expect(Word::kBlockEnd);
    return made;
  }

  std::uint32_t loops_ = 0;  // around the statement being parsed
};

}  // namespace

Result<StatementList> parse_template(std::string source) {
  Result<std::vector<TemplateToken>> tokens = lex_template(std::move(source));
  if (!tokens) return tokens.error();
  return StatementParser(std::move(*tokens)).run();
}

}  // namespace troupe
