#pragma once
// What filters and methods of texts share: the same work under two names.
#include <string_view>
#include <vector>

#include "text/chat_template/render_state.hpp"
#include "text/chat_template/template_value.hpp"

namespace troupe {

enum class TrimSides : std::uint8_t { kLeft = 1, kRight = 2, kBoth = 3 };

// Without the characters of `characters` at its ends; white space when that is empty.
std::string_view trimmed(std::string_view text, std::string_view characters, TrimSides sides);

// At everything that Python's str.splitlines() takes for the end of a line.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

// `count` < 0: all of them.
TemplateValue replaced(RenderState& state, const MarkedText& text, std::string_view from, const MarkedText& to,
                       std::int64_t count);

TemplateValue joined(RenderState& state, const MarkedText& separator, const std::vector<TemplateValue>& items);

MarkedText upper_case(const MarkedText& text);
MarkedText lower_case(const MarkedText& text);
MarkedText capitalized(const MarkedText& text);  // first character upper, the rest lower

// The first letter of each word upper, the rest lower. Words begin behind white space and brackets (the filter), or
// behind anything that is not a letter (the method).
MarkedText title_case(const MarkedText& text, bool at_every_letter);

}  // namespace troupe
