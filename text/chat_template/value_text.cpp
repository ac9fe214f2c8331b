#include "text/chat_template/value_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/character_class.hpp"
#include "text/chat_template/template_ast.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

using Kind = TemplateValue::Kind;

void append_hex(std::string& out, std::string_view prefix, char32_t value, int digits) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += prefix;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out.push_back(kDigits[value >> shift & 15]);
}

// repr(str): in single quotes unless only double quotes save escaping.
std::string quoted(std::string_view text) {
  std::string out;
  bool has_single = text.find('\'') != std::string_view::npos;
  char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
  out.push_back(quote);
  for (std::size_t at = 0; at < text.size();) {
    CodePoint c = code_point_at(text, at);
    if (c.value == '\\' || c.value == static_cast<char32_t>(quote)) {
      out.push_back('\\');
      out.push_back(static_cast<char>(c.value));
    } else if (c.value == '\n' || c.value == '\r' || c.value == '\t') {
      out += c.value == '\n' ? "\\n" : c.value == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c.value)) {
      out += text.substr(at, c.bytes);
    } else if (c.value < 0x100) {
      append_hex(out, "\\x", c.value, 2);
    } else if (c.value < 0x10000) {
      append_hex(out, "\\u", c.value, 4);
    } else {
      append_hex(out, "\\U", c.value, 8);
    }
    at += c.bytes;
  }
  out.push_back(quote);
  return out;
}

void append_repr(RenderState& state, const TemplateValue& value, MarkedText& out);

void append_items(RenderState& state, const TemplateValue& value, MarkedText& out) {
  bool tuple = value.is(Kind::kTuple);
  out.append(tuple ? "(" : "[");
  bool first = true;
  for (const TemplateValue& item : value.items()) {
    if (!first) out.append(", ");
    first = false;
    append_repr(state, item, out);
    if (state.failed()) return;
  }
  if (tuple && value.items().size() == 1) out.append(",");
  out.append(tuple ? ")" : "]");
}

void append_entries(RenderState& state, const TemplateValue& value, MarkedText& out) {
  out.append("{");
  bool first = true;
  for (const auto& [key, item] : value.entries()) {
    if (!first) out.append(", ");
    first = false;
    append_repr(state, key, out);
    out.append(": ");
    append_repr(state, item, out);
    if (state.failed()) return;
  }
  out.append("}");
}

void append_repr(RenderState& state, const TemplateValue& value, MarkedText& out) {
  if (!state.allocate(8)) return;
  switch (value.kind()) {
    case Kind::kUndefined:
      out.append("Undefined");
      return;
    case Kind::kText:
      if (state.allocate(value.as_text().size())) out.append(quoted(value.as_text()), value.as_marked().has_marks());
      return;
    case Kind::kList:
    case Kind::kTuple:
      return append_items(state, value, out);
    case Kind::kDict:
      return append_entries(state, value, out);
    default:
      return append_text(state, value, out);
  }
}

std::string json_text(RenderState& state, std::string_view text, bool ensure_ascii) {
  std::string out;
  if (!state.allocate(text.size() + 2)) return out;
  out.push_back('"');
  for (std::size_t at = 0; at < text.size();) {
    CodePoint c = code_point_at(text, at);
    constexpr std::string_view kEscaped = "\"\\\n\r\t\b\f";
    constexpr std::string_view kLetter = "\"\\nrtbf";
    std::size_t which = c.value < 0x80 ? kEscaped.find(static_cast<char>(c.value)) : std::string_view::npos;
    if (which != std::string_view::npos) {
      out.push_back('\\');
      out.push_back(kLetter[which]);
    } else if (c.value < 0x20 || (ensure_ascii && c.value > 0x7E && c.value < 0x10000)) {
      append_hex(out, "\\u", c.value, 4);
    } else if (ensure_ascii && c.value >= 0x10000) {
      append_hex(out, "\\u", 0xD800 + ((c.value - 0x10000) >> 10), 4);
      append_hex(out, "\\u", 0xDC00 + ((c.value - 0x10000) & 0x3FF), 4);
    } else {
      out += text.substr(at, c.bytes);
    }
    at += c.bytes;
  }
  out.push_back('"');
  return out;
}

class JsonWriter {
 public:
  JsonWriter(RenderState& state, const JsonStyle& style, MarkedText& out) : state_(state), style_(style), out_(out) {}

  void write(const TemplateValue& value, std::size_t level) {
    if (!state_.allocate(8)) return;
    switch (value.kind()) {
      case Kind::kNone:
        out_.append("null");
        return;
      case Kind::kBool:
        out_.append(value.as_bool() ? "true" : "false");
        return;
      case Kind::kInt:
        out_.append(std::to_string(value.as_int()));
        return;
      case Kind::kFloat:
        return write_real(value.as_double());
      case Kind::kText:
        return write_text(value);
      case Kind::kList:
      case Kind::kTuple:
        return write_list(value, level);
      case Kind::kDict:
        return write_dict(value, level);
      default:
        state_.fail("Object of type " + std::string(value.type_name()) + " is not JSON serializable");
    }
  }

 private:
  void write_text(const TemplateValue& text) {
    out_.append(json_text(state_, text.as_text(), style_.ensure_ascii), text.as_marked().has_marks());
  }

  void write_real(double value) {
    if (std::isnan(value)) {
      out_.append("NaN");
    } else if (std::isinf(value)) {
      out_.append(value > 0 ? "Infinity" : "-Infinity");
    } else {
      out_.append(real_text(value));
    }
  }

  void write_list(const TemplateValue& value, std::size_t level) {
    out_.append("[");
    bool first = true;
    for (const TemplateValue& item : value.items()) {
      begin_element(first, level + 1);
      write(item, level + 1);
      if (state_.failed()) return;
    }
    if (!first) break_line(level);
    out_.append("]");
  }

  void write_dict(const TemplateValue& value, std::size_t level) {
    out_.append("{");
    bool first = true;
    std::vector<const TemplateEntry*> entries;
    for (const TemplateEntry& entry : value.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [](const TemplateEntry* a, const TemplateEntry* b) {
        return a->first.is_text() && b->first.is_text() && a->first.as_text() < b->first.as_text();
      });
    }
    for (const TemplateEntry* entry : entries) {
      begin_element(first, level + 1);
      write_key(entry->first);
      if (!state_.allocate(style_.behind_key.cost_bytes())) return;
      out_.append(style_.behind_key);
      write(entry->second, level + 1);
      if (state_.failed()) return;
    }
    if (!first) break_line(level);
    out_.append("}");
  }

  void write_key(const TemplateValue& key) {
    if (key.is_text()) return write_text(key);
    if (!key.is_number() && !key.is(Kind::kNone)) {
      state_.fail("a key of a JSON object must be a string, not " + std::string(key.type_name()));
      return;
    }
    out_.append("\"");
    write(key, 0);
    out_.append("\"");
  }

  void begin_element(bool& first, std::size_t level) {
    if (!first && state_.allocate(style_.between_items.cost_bytes())) out_.append(style_.between_items);
    first = false;
    break_line(level);
  }
  void break_line(std::size_t level) {
    if (style_.indent < 0) return;
    std::size_t blanks = level * static_cast<std::size_t>(style_.indent);
    if (state_.allocate(blanks + 1)) out_.append("\n" + std::string(blanks, ' '));
  }

  RenderState& state_;
  const JsonStyle& style_;
  MarkedText& out_;
};

}  // namespace

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  std::string_view shortest(buffer, static_cast<std::size_t>(end - buffer));
  std::size_t e = shortest.find('e');
  int exponent = std::atoi(std::string(shortest.substr(e + 1)).c_str());
  if (exponent < -4 || exponent >= 16) return std::string(shortest);  // the same form as Python's: 1.5e-05, 1e+16
  auto [fixed_end, fixed_error] = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string text(buffer, fixed_end);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

void append_text(RenderState& state, const TemplateValue& value, MarkedText& out) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return;
    case Kind::kNone:
      out.append("None");
      return;
    case Kind::kBool:
      out.append(value.as_bool() ? "True" : "False");
      return;
    case Kind::kInt:
      out.append(std::to_string(value.as_int()));
      return;
    case Kind::kFloat:
      out.append(real_text(value.as_double()));
      return;
    case Kind::kText:
      out.append(value.as_marked());
      return;
    case Kind::kList:
    case Kind::kTuple:
      return append_items(state, value, out);
    case Kind::kDict:
      return append_entries(state, value, out);
    case Kind::kLoop:
      out.append("<LoopContext " + std::to_string(value.as_loop().index + 1) + "/" +
                 std::to_string(value.as_loop().items.items().size()) + ">");
      return;
    case Kind::kMacro: {
      const std::string& name = value.as_macro().definition->name;
      out.append("<Macro " + (name.empty() ? "anonymous" : quoted(name)) + ">");
      return;
    }
    case Kind::kNamespace:
    case Kind::kFunction:
      state.fail("a " + std::string(value.type_name()) + " cannot be printed");
      return;
  }
}

MarkedText text_of(RenderState& state, const TemplateValue& value) {
  MarkedText out;
  append_text(state, value, out);
  return out;
}

MarkedText repr_of(RenderState& state, const TemplateValue& value) {
  MarkedText out;
  append_repr(state, value, out);
  return out;
}

void append_json(RenderState& state, const TemplateValue& value, const JsonStyle& style, MarkedText& out) {
  JsonWriter(state, style, out).write(value, 0);
}

}  // namespace troupe
