#pragma once
// The methods of texts and dicts that templates call: text.split(','), dict.items().
#include <string_view>

#include "text/chat_template/filters.hpp"

namespace troupe {

// nullptr when values of this kind have no such method. Methods that would change a value refuse to.
TemplateFilter find_method(TemplateValue::Kind kind, std::string_view name);

}  // namespace troupe
