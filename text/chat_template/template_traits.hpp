#pragma once
// What a template expects of a conversation, seen from its tree: models differ in what they want to be given.
#include <string_view>

#include "text/chat_template/template_ast.hpp"

namespace troupe {

struct TemplateTraits {
  bool takes_parts = false;    // it goes over a message's content: give it the parts, not one text
  bool asks_for_none = false;  // it asks whether a content is none: calls alone have no content then, not an empty one
  bool knows_developer = false;  // it has that word somewhere: the role stays, else it is "system"
};

TemplateTraits traits_of(const StatementList& statements, std::string_view source);

}  // namespace troupe
