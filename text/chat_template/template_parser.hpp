#pragma once
// From words to a tree. What the language has and we do not is an error that names it, and so are filters and tests
// we do not know: at load, not when a user's message happens to get there.
#include <string>

#include "runtime/result.hpp"
#include "text/chat_template/template_ast.hpp"

namespace troupe {

Result<StatementList> parse_template(std::string source);

}  // namespace troupe
