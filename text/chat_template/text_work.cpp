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

// Each character through change(character, out), which appends what becomes of it.
template <class Change>
MarkedText changed(const MarkedText& text, Change&& change) {
  MarkedText out;
  text.for_each_run([&](std::string_view run, bool marked) {
    std::string characters;
    for (std::size_t at = 0; at < run.size();) {
      CodePoint c = code_point_at(run, at);
      change(c.value, characters);
      at += c.bytes;
    }
    out.append(characters, marked);
  });
  return out;
}

// The simple mappings of Unicode, and the one of the longer ones that people meet.
constexpr char32_t kSharpS = 0xDF;
void append_upper(char32_t c, std::string& out) { c == kSharpS ? void(out += "SS") : append_utf8(out, to_upper(c)); }
void append_title(char32_t c, std::string& out) { c == kSharpS ? void(out += "Ss") : append_utf8(out, to_title(c)); }
void append_lower(char32_t c, std::string& out) { append_utf8(out, to_lower(c)); }

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

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    CodePoint c = code_point_at(text, at);
    bool ends = (c.value >= '\n' && c.value <= '\r') || (c.value >= 0x1C && c.value <= 0x1E) || c.value == 0x85 ||
                c.value == 0x2028 || c.value == 0x2029;
    std::size_t next = at + c.bytes;
    if (ends) {
      if (text.substr(at, 2) == "\r\n") ++next;
      lines.push_back(text.substr(begin, (keep_ends ? next : at) - begin));
      begin = next;
    }
    at = next;
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
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

MarkedText upper_case(const MarkedText& text) { return changed(text, append_upper); }
MarkedText lower_case(const MarkedText& text) { return changed(text, append_lower); }

MarkedText capitalized(const MarkedText& text) {
  bool first = true;
  return changed(text, [&](char32_t c, std::string& out) {
    std::exchange(first, false) ? append_title(c, out) : append_lower(c, out);
  });
}

MarkedText title_case(const MarkedText& text, bool at_every_letter) {
  bool word_begins = true;
  return changed(text, [&](char32_t c, std::string& out) {
    if (!word_begins) {
      append_lower(c, out);
    } else if (at_every_letter) {
      append_title(c, out);
    } else {
      append_upper(c, out);  // the filter: item[0].upper() + item[1:].lower()
    }
    word_begins = at_every_letter ? class_of(c) != CharacterClass::kLetter
                                  : is_python_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
  });
}

}  // namespace troupe
