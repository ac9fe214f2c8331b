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
MarkedText changed(const MarkedText& text, Change&& change) {
  MarkedText out;
  text.for_each_run([&](std::string_view run, bool marked) {
    std::string characters;
    for (std::size_t at = 0; at < run.size();) {
      CodePoint c = code_point_at(run, at);
      append_utf8(characters, change(c.value));
      at += c.bytes;
    }
    out.append(characters, marked);
  });
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

TemplateValue replaced(RenderState& state, const MarkedText& source, std::string_view from, const MarkedText& to,
                       std::int64_t count) {
  std::string_view text = source.bytes();
  if (!state.search(text.size(), from.size())) return {};
  MarkedText out;
  std::size_t at = 0;
  auto counted = [&, cost = std::size_t{0}]() mutable {  // what the last part has added
    std::size_t before = std::exchange(cost, out.cost_bytes());
    return state.allocate(cost - before);
  };
  auto keep = [&](std::size_t bytes) { return out.append_part(source, text.substr(at, bytes)), counted(); };
  auto put_new = [&] { return out.append(to), counted(); };
  if (from.empty()) {  // before every character and at the end
    while (count != 0 && at < text.size()) {
      std::size_t bytes = code_point_at(text, at).bytes;
      if (!put_new() || !keep(bytes)) return {};
      at += bytes, --count;
    }
    if (!keep(text.size()) || (count != 0 && !put_new())) return {};
    return TemplateValue::text(std::move(out));
  }
  for (; count != 0; --count) {
    std::size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    if (!keep(found - at) || !put_new()) return {};
    at = found + from.size();
  }
  if (!keep(text.size())) return {};
  return TemplateValue::text(std::move(out));
}

TemplateValue joined(RenderState& state, const MarkedText& separator, const std::vector<TemplateValue>& items) {
  MarkedText out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    std::size_t expected =
        (i > 0 ? separator.cost_bytes() : 0) + (items[i].is_text() ? items[i].as_marked().cost_bytes() : 1);
    if (!state.allocate(expected)) return {};
    if (i > 0) out.append(separator);
    append_text(state, items[i], out);
  }
  return TemplateValue::text(std::move(out));
}

MarkedText upper_case(const MarkedText& text) { return changed(text, to_upper); }
MarkedText lower_case(const MarkedText& text) { return changed(text, to_lower); }

MarkedText capitalized(const MarkedText& text) {
  bool first = true;
  return changed(text, [&](char32_t c) { return std::exchange(first, false) ? to_upper(c) : to_lower(c); });
}

MarkedText title_case(const MarkedText& text, bool at_every_letter) {
  bool word_begins = true;
  return changed(text, [&](char32_t c) {
    char32_t out = word_begins ? to_upper(c) : to_lower(c);
    word_begins = at_every_letter ? class_of(c) != CharacterClass::kLetter
                                  : is_python_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    return out;
  });
}

}  // namespace troupe
