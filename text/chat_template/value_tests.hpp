#pragma once
// The tests of the template language: value is name(arguments).
#include <string_view>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

using TemplateTest = bool (*)(RenderState&, const TemplateValue& value, const TemplateArguments&);

TemplateTest find_template_test(std::string_view name);  // nullptr when there is none

}  // namespace troupe
