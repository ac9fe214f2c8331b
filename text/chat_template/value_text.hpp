#pragma once
// Values as text, the way Python writes them. A literal is marked as a whole when any of its text is.
#include <string>
#include <string_view>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

void append_text(RenderState& state, const TemplateValue& value, MarkedText& out);  // str(value)
MarkedText text_of(RenderState& state, const TemplateValue& value);
MarkedText repr_of(RenderState& state, const TemplateValue& value);  // repr(value)
std::string real_text(double value);                                 // repr(float): 1.0, 1e+20, 0.1

struct JsonStyle {
  std::int64_t indent = -1;  // < 0: one line
  bool ensure_ascii = false;
  bool sort_keys = false;
  MarkedText between_items{", "};
  MarkedText behind_key{": "};
};
void append_json(RenderState& state, const TemplateValue& value, const JsonStyle& style, MarkedText& out);

}  // namespace troupe
