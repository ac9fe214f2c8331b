#include "text/chat_template/text_work.hpp"

#include <utility>

#include "text/character_class.hpp"
#include "text/chat_template/value_text.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

bool is_in(char32_t c, std::string_view characters) {
  for (std::size_t at = 0; at < characters.size();) {
    CodePoint candidate = code_point_at(characters, at);
    if (candidate.value == c) return true;
    at += candidate.bytes;
  }
  return false;
}

template <class Change>
std::string changed(std::string_view text, Change&& change) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    CodePoint c = code_point_at(text, at);
    append_utf8(out, change(c.value));
    at += c.bytes;
  }
  return out;
}

}  // namespace

std::string_view trimmed(std::string_view text, std::string_view characters, TrimSides sides) {
  auto goes = [&](std::size_t at) {
    char32_t c = code_point_at(text, at).value;
    return characters.empty() ? is_python_space(c) : is_in(c, characters);
  };
  auto has = [&](TrimSides side) { return (static_cast<unsigned>(sides) & static_cast<unsigned>(side)) != 0; };
  while (has(TrimSides::kLeft) && !text.empty() && goes(0)) text.remove_prefix(code_point_at(text, 0).bytes);
  while (has(TrimSides::kRight) && !text.empty()) {
    std::size_t last = character_before(text, text.size());
    if (!goes(last)) break;
    text = text.substr(0, last);
  }
  return text;
}

TemplateValue replaced(RenderState& state, std::string_view text, std::string_view from, std::string_view to,
                       std::int64_t count) {
  if (!state.search(text.size(), from.size())) return {};
  std::string out;
  std::size_t at = 0;
  auto put = [&](std::string_view part) { return state.allocate(part.size()) && (out += part, true); };
  if (from.empty()) {  // before every character and at the end
    while (count != 0 && at < text.size()) {
      std::size_t bytes = code_point_at(text, at).bytes;
      if (!put(to) || !put(text.substr(at, bytes))) return {};
      at += bytes, --count;
    }
    if (!put(text.substr(at)) || (count != 0 && !put(to))) return {};
    return TemplateValue::text(std::move(out));
  }
  for (; count != 0; --count) {
    std::size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    if (!put(text.substr(at, found - at)) || !put(to)) return {};
    at = found + from.size();
  }
  if (!put(text.substr(at))) return {};
  return TemplateValue::text(std::move(out));
}

TemplateValue joined(RenderState& state, std::string_view separator, const std::vector<TemplateValue>& items) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::size_t expected = (i > 0 ? separator.size() : 0) + (items[i].is_text() ? items[i].as_text().size() : 1);
    if (!state.allocate(expected)) return {};
    if (i > 0) out += separator;
    append_text(state, items[i], out);
  }
  return TemplateValue::text(std::move(out));
}

std::string upper_case(std::string_view text) { return changed(text, to_upper); }
std::string lower_case(std::string_view text) { return changed(text, to_lower); }

std::string capitalized(std::string_view text) {
  bool first = true;
  return changed(text, [&](char32_t c) { return std::exchange(first, false) ? to_upper(c) : to_lower(c); });
}

std::string title_case(std::string_view text, bool at_every_letter) {
  bool word_begins = true;
  return changed(text, [&](char32_t c) {
    char32_t out = word_begins ? to_upper(c) : to_lower(c);
    word_begins = at_every_letter ? class_of(c) != CharacterClass::kLetter
                                  : is_python_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    return out;
  });
}

}  // namespace troupe
