#pragma once
// The functions every template may call: range, namespace, dict, raise_exception, strftime_now.
#include <span>
#include <string>
#include <string_view>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

std::span<const std::string_view> template_functions();

TemplateValue call_template_function(RenderState& state, const std::string& name, const TemplateArguments& arguments);

// `format` with its %Y and the like put in, for the local time of `seconds` since 1970. Fails for a letter that Python
// knows and we do not. Marked as a whole when the format is marked anywhere.
TemplateValue time_text(RenderState& state, const MarkedText& format, std::int64_t seconds);

}  // namespace troupe
