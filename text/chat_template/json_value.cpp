#include "text/chat_template/json_value.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

#include "text/chat_template/operators.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Recursive descent; after the first fault `valid_` is false and everything comes to its end.
class JsonReader {
 public:
  JsonReader(RenderState& state, std::string_view text) : state_(state), text_(text) {}

  std::optional<TemplateValue> run() {
    TemplateValue value = read(0);
    skip_blanks();
    if (at_ != text_.size()) fail();
    if (!valid_ || state_.failed()) return std::nullopt;
    return value;
  }

 private:
  TemplateValue fail() {
    valid_ = false;
    at_ = text_.size();
    return {};
  }
  char look() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_blanks() {
    while (at_ < text_.size() && (look() == ' ' || look() == '\t' || look() == '\n' || look() == '\r')) ++at_;
  }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  TemplateValue read(std::uint32_t depth) {
    if (depth > kTemplateJsonDepthMax || !state_.step()) return fail();
    skip_blanks();
    switch (look()) {
      case '{':
        return read_object(depth);
      case '[':
        return read_array(depth);
      case '"':
        return state_.text(MarkedText::of_message(read_text()));
      case 't':
        return take_word("true") ? TemplateValue::boolean(true) : fail();
      case 'f':
        return take_word("false") ? TemplateValue::boolean(false) : fail();
      case 'n':
        return take_word("null") ? TemplateValue::none() : fail();
      default:
        return read_number();
    }
  }

  TemplateValue read_object(std::uint32_t depth) {
    take('{');
    std::vector<TemplateEntry> entries;
    skip_blanks();
    if (take('}')) return state_.dict({});
    do {
      skip_blanks();
      if (look() != '"') return fail();
      TemplateValue key = state_.text(MarkedText::of_message(read_text()));
      skip_blanks();
      if (!take(':')) return fail();
      TemplateValue value = read(depth + 1);
      if (!valid_ || state_.failed()) return fail();
      set_key(state_, entries, key, std::move(value));  // of two equal keys the last counts
      skip_blanks();
    } while (take(','));
    return take('}') ? state_.dict(std::move(entries)) : fail();
  }

  TemplateValue read_array(std::uint32_t depth) {
    take('[');
    std::vector<TemplateValue> items;
    skip_blanks();
    if (take(']')) return state_.list({});
    do {
      items.push_back(read(depth + 1));
      if (!valid_ || state_.failed()) return fail();
      skip_blanks();
    } while (take(','));
    return take(']') ? state_.list(std::move(items)) : fail();
  }

  TemplateValue read_number() {
    std::size_t begin = at_;
    take('-');
    if (!is_digit(look())) return fail();
    if (!take('0')) skip_digits();
    bool is_real = false;
    if (take('.')) {
      is_real = true;
      if (!is_digit(look())) return fail();
      skip_digits();
    }
    if (take('e') || take('E')) {
      is_real = true;
      if (!take('+')) take('-');
      if (!is_digit(look())) return fail();
      skip_digits();
    }
    const char* first = text_.data() + begin;
    const char* last = text_.data() + at_;
    if (!is_real) {
      std::int64_t number = 0;
      return std::from_chars(first, last, number).ec == std::errc() ? TemplateValue::integer(number) : fail();
    }
    double number = std::strtod(std::string(first, last).c_str(), nullptr);  // from_chars refuses 1e-999, which is 0
    return std::isfinite(number) ? TemplateValue::real(number) : fail();
  }
  void skip_digits() {
    while (is_digit(look())) ++at_;
  }

  std::string read_text() {
    std::string out;
    ++at_;
    while (at_ < text_.size()) {
      char c = text_[at_++];
      if (c == '"') return out;
      if (static_cast<unsigned char>(c) < 0x20) break;
      if (c != '\\') {
        out.push_back(c);
      } else if (!read_escape(out)) {
        break;
      }
    }
    fail();
    return {};
  }

  bool read_escape(std::string& out) {
    char c = look();
    ++at_;
    if (c == 'u') return read_code_point(out);
    constexpr std::string_view kEscaped = "\"\\/bfnrt";
    constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
    std::size_t which = c == '\0' ? std::string_view::npos : kEscaped.find(c);
    if (which == std::string_view::npos) return false;
    out.push_back(kMeaning[which]);
    return true;
  }

  // \uXXXX, or two of them for a character beyond U+FFFF. Half a pair is not valid here: no text could hold it.
  bool read_code_point(std::string& out) {
    std::uint32_t code = read_hex();
    if (code >= 0xD800 && code < 0xDC00) {
      if (!take_word("\\u")) return false;
      std::uint32_t low = read_hex();
      if (low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code > 0x10FFFF || (code >= 0xDC00 && code <= 0xDFFF)) return false;
    append_utf8(out, code);
    return true;
  }
  std::uint32_t read_hex() {
    std::string_view hex = text_.substr(std::min(at_, text_.size()), 4);
    std::uint32_t code = 0;
    auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
    if (hex.size() < 4 || error != std::errc() || end != hex.data() + 4) return 0xFFFFFFFF;
    at_ += 4;
    return code;
  }

  RenderState& state_;
  std::string_view text_;
  std::size_t at_ = 0;
  bool valid_ = true;
};

}  // namespace

std::optional<TemplateValue> json_value(RenderState& state, std::string_view json) {
  if (find_invalid_utf8(json) || !state.search(json.size())) return std::nullopt;
  return JsonReader(state, json).run();
}

}  // namespace troupe
