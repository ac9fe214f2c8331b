#pragma once
// The filters of the template language: value|name(arguments).
#include <string_view>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

using TemplateFilter = TemplateValue (*)(RenderState&, const TemplateValue& input, const TemplateArguments&);

TemplateFilter find_template_filter(std::string_view name);  // nullptr when there is none

// The tables it looks in: filters that make text, filters over lists, and those few templates have.
TemplateFilter find_text_filter(std::string_view name);
TemplateFilter find_list_filter(std::string_view name);
TemplateFilter find_rare_filter(std::string_view name);

}  // namespace troupe
