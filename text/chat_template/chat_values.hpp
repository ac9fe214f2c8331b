#pragma once
// A conversation as the values a template is given, prepared the way Hugging Face's callers do it.
#include <string>
#include <utility>
#include <vector>

#include "runtime/request.hpp"
#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_traits.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

// Everything in them that came with the request is marked, but for the names of roles that every template knows. The
// rendering fails for text that is not UTF-8.
TemplateValue message_values(RenderState& state, const std::vector<ChatMessage>& messages,
                             const TemplateTraits& traits);

// The list of tools, or none.
TemplateValue tool_values(RenderState& state, const std::string& tools);

// chat_template_kwargs by name. The rendering fails for what is no JSON object, and for a name that is the
// conversation's own (messages, tools ...).
std::vector<std::pair<std::string, TemplateValue>> template_arguments(RenderState& state, const std::string& arguments);

// For continue_final_message: the rendering up to the end of the last message's content, its spaces at the end as the
// template left them. The rendering fails when the content is not in it.
MarkedText cut_after_content(RenderState& state, const MarkedText& rendered, const ChatMessage& message);

}  // namespace troupe
