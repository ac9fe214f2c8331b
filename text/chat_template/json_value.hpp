#pragma once
// JSON text (RFC 8259) as a value of the template language: what Python's json.loads would make of it.
#include <optional>
#include <string_view>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

// All of its texts are marked: JSON comes with requests. Nothing when it is not valid, is nested deeper than
// kTemplateJsonDepthMax, or has an integer of more than 64 bits; the rendering fails when it costs too much.
std::optional<TemplateValue> json_value(RenderState& state, std::string_view json);

}  // namespace troupe
