#pragma once
// A parsed template. Trees are at most kTemplateNestingMax deep, so walking and destroying them may recurse.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/chat_template/filters.hpp"
#include "text/chat_template/template_value.hpp"
#include "text/chat_template/value_tests.hpp"

namespace troupe {

struct TemplateExpression;
using ExpressionPointer = std::unique_ptr<TemplateExpression>;

struct TemplateExpression {
  enum class Kind : std::uint8_t {
    kLiteral,      // literal
    kName,         // name
    kList,         // parts
    kTuple,        // parts
    kDict,         // parts: key, value, key, value ...
    kAttribute,    // parts[0].name
    kItem,         // parts[0][parts[1]]
    kSlice,        // parts[0][parts[1]:parts[2]:parts[3]], each bound may be null
    kCall,         // parts[0](parts[1...], named...)
    kFilter,       // parts[0]|name(parts[1...], named...); parts[0] is null for the text of a block
    kTest,         // parts[0] is name(parts[1...], named...)
    kNot,          // parts[0]
    kNegative,     // parts[0]
    kPositive,     // parts[0]
    kArithmetic,   // parts[0] operators[0] parts[1]
    kConcat,       // parts[0] ~ parts[1] ~ ...
    kComparison,   // parts[0] operators[0] parts[1] operators[1] parts[2] ...
    kAnd,          // parts[0], parts[1]
    kOr,           // parts[0], parts[1]
    kConditional,  // parts[0] if parts[1] else parts[2], which may be null
  };
  Kind kind = Kind::kLiteral;
  std::uint32_t line = 0;
  std::uint32_t depth = 1;
  std::string name;
  TemplateValue literal;
  std::vector<ExpressionPointer> parts;
  std::vector<std::pair<std::string, ExpressionPointer>> named;
  ExpressionPointer more_positional;   // of a call: *value, or null
  ExpressionPointer more_named;        // of a call: **value, or null
  std::vector<std::string> operators;  // as written; "not in" is one
  TemplateFilter filter = nullptr;     // kFilter
  TemplateTest test = nullptr;         // kTest
};

struct TemplateStatement;
using StatementList = std::vector<TemplateStatement>;

// What an assignment assigns to: one name, several (the value is unpacked), or an attribute of a namespace.
struct AssignmentTarget {
  std::vector<std::string> names;
  bool unpack = false;
  std::string attribute;  // not empty: of the namespace names[0]
};

struct ConditionalBranch {
  ExpressionPointer condition;  // null: else
  StatementList body;
};

struct MacroStatement {
  std::string name;  // empty: of a call block
  std::vector<std::string> parameters;
  std::vector<ExpressionPointer> defaults;  // of the last parameters
  StatementList body;
  // Whether the body reads these names, which the macro then takes beside its parameters.
  bool takes_caller = false;
  bool takes_varargs = false;
  bool takes_kwargs = false;
};

struct TemplateStatement {
  enum class Kind : std::uint8_t {
    kText,         // text
    kOutput,       // expression
    kIf,           // branches
    kFor,          // for target in expression if condition: body, else otherwise
    kSet,          // target = expression
    kSetBlock,     // target = body, through the filters of expression (may be null)
    kMacro,        // macro
    kCall,         // expression, a call that is given `macro` as its caller
    kFilterBlock,  // body through the filters of expression
    kWith,         // target values (targets, expressions) for body
    kScope,        // body, in a scope of its own: {% generation %}
    kDo,           // expression, result unused
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kText;
  std::uint32_t line = 0;
  std::string text;
  ExpressionPointer expression;
  ExpressionPointer condition;
  AssignmentTarget target;
  bool is_recursive = false;  // kFor: loop(items) runs it again
  StatementList body;
  StatementList otherwise;
  std::vector<ConditionalBranch> branches;
  std::vector<std::pair<AssignmentTarget, ExpressionPointer>> with;
  std::unique_ptr<MacroStatement> macro;
};

}  // namespace troupe
