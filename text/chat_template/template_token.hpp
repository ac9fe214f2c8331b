#pragma once
// The words of a template's source.
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

struct TemplateToken {
  enum class Kind : std::uint8_t {
    kText,         // outside of tags, white space control already applied
    kOutputBegin,  // {{
    kOutputEnd,    // }}
    kBlockBegin,   // {%
    kBlockEnd,     // %}
    kName,
    kString,  // text: unescaped
    kInt,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::uint32_t line = 0;
  std::string text;  // as written; for kText and kString what it stands for
  std::int64_t integer = 0;
  double real = 0;
};

// With trim_blocks and lstrip_blocks on, as Hugging Face renders: a block tag takes the newline after it and the blanks
// before it on its line. The last token is kEnd. kModelFile, with the line, for what is not a template.
Result<std::vector<TemplateToken>> lex_template(std::string source);

}  // namespace troupe
