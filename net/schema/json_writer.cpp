#include "net/schema/json_writer.hpp"

#include <charconv>
#include <cmath>

#include "net/schema/utf8.hpp"

namespace troupe {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool is_plain(char c) {
  auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
}

void append_special(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[(static_cast<unsigned char>(c) >> 4U) & 15U];
      out += kHex[static_cast<unsigned char>(c) & 15U];
  }
}

template <class Number>
void append_number(std::string& out, Number number) {
  char digits[32];  // the longest shortest form of a double has 24 characters
  auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

}  // namespace

void JsonWriter::comma() {
  if (out_->empty()) return;
  char last = out_->back();
  bool after_value = last == '}' || last == ']' || last == '"' || (last >= '0' && last <= '9') ||
                     (last >= 'a' && last <= 'z');  // true, false, null
  if (after_value) *out_ += ',';
}

JsonWriter& JsonWriter::open(char bracket) {
  comma();
  *out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  *out_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  *out_ += ':';
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  comma();
  std::string& out = *out_;
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    std::size_t run = i;
    while (run < text.size() && is_plain(text[run])) ++run;
    out.append(text, i, run - i);
    i = run;
    if (i == text.size()) break;
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      append_special(out, text[i++]);
      continue;
    }
    std::size_t length = utf8_length(text.substr(i));
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++i;
    } else {
      out.append(text, i, length);
      i += length;
    }
  }
  out += '"';
  return *this;
}

JsonWriter& JsonWriter::value(float number) {
  if (!std::isfinite(number)) return raw("-9999.0");
  comma();
  append_number(*out_, number);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  if (!std::isfinite(number)) return raw("-9999.0");
  comma();
  append_number(*out_, number);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
  comma();
  append_number(*out_, number);
  return *this;
}

JsonWriter& JsonWriter::natural(std::uint64_t number) {
  comma();
  append_number(*out_, number);
  return *this;
}

JsonWriter& JsonWriter::raw(std::string_view json) {
  comma();
  *out_ += json;
  return *this;
}

}  // namespace troupe
