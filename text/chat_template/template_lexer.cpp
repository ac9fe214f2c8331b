#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

#include "text/character_class.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/chat_template/template_token.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

using Kind = TemplateToken::Kind;

constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                           "]",  "(",  ")",  "{",  "}",  "<",  ">", "=", ".", ":", "|", ",", ";"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f'); }

// Newlines become \n, and one at the end of the source is dropped.
std::string normalized(const std::string& source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
      continue;
    }
    out.push_back('\n');
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  Result<std::vector<TemplateToken>> run() {
    while (!error_ && at_ < source_.size()) lex_text();
    if (error_) return *error_;
    add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }
  bool ahead(std::string_view word) const { return rest().substr(0, word.size()) == word; }
  char look(std::size_t offset) const { return at_ + offset < source_.size() ? source_[at_ + offset] : '\0'; }

  void fail(const std::string& why) {
    if (error_) return;
    error_ = Error{ErrorCode::kModelFile, "chat template, line " + std::to_string(line_) + ": " + why, "", 0};
  }

  void advance(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) line_ += source_[at_ + i] == '\n';
    at_ += count;
  }
  void skip_blanks() {
    while (at_ < source_.size() && is_blank(source_[at_])) advance(1);
  }

  TemplateToken& add(Kind kind, std::string text) {
    tokens_.push_back({kind, line_, std::move(text), 0, 0});
    if (tokens_.size() > 2 * kTemplateNodesMax) fail("it has too many words");
    return tokens_.back();
  }
  void add_text(std::string_view text) {
    if (!text.empty()) add(Kind::kText, std::string(text));
  }

  // Text before a tag, as the tag's sign and lstrip_blocks leave it. `tag` is '{', '%' or '#'.
  std::string_view before_tag(std::string_view text, char sign, char tag) const {
    if (sign == '-') {
      while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
      return text;
    }
    if (sign == '+' || tag == '{') return text;
    std::size_t line_start = text.rfind('\n');
    if (line_start == std::string_view::npos) {
      if (!line_starting_) return text;
      line_start = 0;
    } else {
      ++line_start;
    }
    for (char c : text.substr(line_start)) {
      if (!is_blank(c)) return text;
    }
    return text.substr(0, line_start);
  }

  void lex_text() {
    std::size_t open = source_.find('{', at_);
    while (open != std::string::npos && open + 1 < source_.size() && source_[open + 1] != '{' &&
           source_[open + 1] != '%' && source_[open + 1] != '#') {
      open = source_.find('{', open + 1);
    }
    if (open == std::string::npos || open + 1 >= source_.size()) {
      add_text(rest());
      return advance(source_.size() - at_);
    }
    char tag = source_[open + 1];
    std::string_view text = std::string_view(source_).substr(at_, open - at_);
    char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
    bool signed_tag = sign == '-' || (sign == '+' && tag != '{');
    add_text(before_tag(text, sign, tag));
    advance(open - at_ + 2 + signed_tag);
    if (tag == '#') return lex_comment();
    if (tag == '%' && lex_raw()) return;
    add(tag == '{' ? Kind::kOutputBegin : Kind::kBlockBegin, "");
    lex_tag(tag == '{');
  }

  // Past the end of a block tag or comment: "-" takes all blanks after it, no sign takes one newline.
  void after_tag(char sign) {
    std::size_t begin = at_;
    if (sign == '-') {
      skip_blanks();
    } else if (sign != '+' && look(0) == '\n') {
      advance(1);
    }
    line_starting_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  void lex_comment() {
    std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) return fail("a comment is not closed");
    char sign = end > at_ ? source_[end - 1] : '\0';
    advance(end + 2 - at_);
    after_tag(sign == '-' || sign == '+' ? sign : '\0');
  }

  // {% raw %} ... {% endraw %}: `at_` is behind "{%". False when this is another tag.
  bool lex_raw() {
    std::optional<std::size_t> body = tag_end_at(at_, "raw");
    if (!body) return false;
    bool strip = source_[*body - 3] == '-';
    advance(*body - at_);
    if (strip) skip_blanks();
    line_starting_ = false;
    for (std::size_t open = source_.find("{%", at_); open != std::string::npos; open = source_.find("{%", open + 1)) {
      char sign = open + 2 < source_.size() ? source_[open + 2] : '\0';
      bool is_signed = sign == '-' || sign == '+';
      std::optional<std::size_t> end = tag_end_at(open + 2 + is_signed, "endraw");
      if (!end) continue;
      add_text(before_tag(std::string_view(source_).substr(at_, open - at_), sign, '%'));
      char end_sign = source_[*end - 3];
      advance(*end - at_);
      after_tag(end_sign == '-' || end_sign == '+' ? end_sign : '\0');
      return true;
    }
    fail("a raw block is not closed");
    return true;
  }

  // One past "word %}" at `from`, blanks allowed around.
  std::optional<std::size_t> tag_end_at(std::size_t from, std::string_view word) const {
    while (from < source_.size() && is_blank(source_[from])) ++from;
    if (std::string_view(source_).substr(from, word.size()) != word) return std::nullopt;
    from += word.size();
    while (from < source_.size() && is_blank(source_[from])) ++from;
    if (from < source_.size() && (source_[from] == '-' || source_[from] == '+')) ++from;
    if (std::string_view(source_).substr(from, 2) != "%}") return std::nullopt;
    return from + 2;
  }

  void lex_tag(bool output) {
    std::string_view close = output ? "}}" : "%}";
    std::string brackets;  // what is open, as the characters that close it
    while (!error_) {
      skip_blanks();
      if (at_ >= source_.size()) return fail("a tag is not closed");
      if (brackets.empty()) {
        char sign = look(0) == '-' || (look(0) == '+' && !output) ? look(0) : '\0';
        std::size_t offset = sign != '\0';
        if (rest().substr(offset, 2) == close) {
          advance(offset + 2);
          add(output ? Kind::kOutputEnd : Kind::kBlockEnd, "");
          if (output) {
            line_starting_ = false;
            if (sign == '-') skip_blanks();
          } else {
            after_tag(sign);
          }
          return;
        }
      }
      lex_word(brackets);
    }
  }

  void lex_word(std::string& brackets) {
    char c = look(0);
    if (is_name_start(c)) {
      std::size_t length = 1;
      while (is_name_part(look(length))) ++length;
      add(Kind::kName, std::string(rest().substr(0, length)));
      return advance(length);
    }
    if (is_digit(c)) return lex_number();
    if (c == '\'' || c == '"') return lex_string(c);
    for (std::string_view op : kOperators) {
      if (!ahead(op)) continue;
      if (c == '(' || c == '[' || c == '{') brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
      if (c == ')' || c == ']' || c == '}') {
        if (brackets.empty() || brackets.back() != c) return fail(std::string("unexpected '") + c + "'");
        brackets.pop_back();
      }
      add(Kind::kOperator, std::string(op));
      return advance(op.size());
    }
    fail("unexpected character");
  }

  // Digits with single underscores between them, from `offset`; returns the offset behind them.
  std::size_t digits(std::size_t offset, std::string& out) const {
    while (is_digit(look(offset)) ||
           (look(offset) == '_' && is_digit(look(offset + 1)) && is_digit(look(offset - 1)))) {
      if (look(offset) != '_') out.push_back(look(offset));
      ++offset;
    }
    return offset;
  }

  void lex_number() {
    bool after_dot = !tokens_.empty() && tokens_.back().kind == Kind::kOperator && tokens_.back().text == ".";
    if (look(0) == '0' && (is_name_start(look(1)) && look(1) != 'e' && look(1) != 'E')) {
      return fail("numbers other than decimal ones are not supported");
    }
    std::string number;
    std::size_t end = digits(0, number);
    bool is_real = false;
    if (!after_dot) {
      if (look(end) == '.' && is_digit(look(end + 1))) {
        number.push_back('.');
        end = digits(end + 1, number);
        is_real = true;
      }
      std::size_t sign = look(end + 1) == '+' || look(end + 1) == '-';
      if ((look(end) == 'e' || look(end) == 'E') && is_digit(look(end + 1 + sign))) {
        number.push_back('e');
        if (look(end + 1) == '-') number.push_back('-');
        end = digits(end + 1 + sign, number);
        is_real = true;
      }
    }
    TemplateToken& token = add(is_real ? Kind::kFloat : Kind::kInt, number);
    const char* last = number.data() + number.size();
    bool parsed = is_real ? std::from_chars(number.data(), last, token.real).ec == std::errc()
                          : std::from_chars(number.data(), last, token.integer).ec == std::errc();
    if (!parsed) return fail("the number " + number.substr(0, 40) + " is too large");
    advance(end);
  }

  void lex_string(char quote) {
    advance(1);
    std::string out;
    while (true) {
      if (at_ >= source_.size()) return fail("a string is not closed");
      char c = look(0);
      if (c == quote) break;
      if (c == '\\') {
        lex_escape(out);
        if (error_) return;
        continue;
      }
      out.push_back(c);
      advance(1);
    }
    advance(1);
    add(Kind::kString, std::move(out));
  }

  void lex_escape(std::string& out) {
    char c = look(1);
    std::size_t hex_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (hex_digits > 0) {
      std::string_view hex = rest().substr(2, hex_digits);
      std::uint32_t code = 0;
      auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), code, 16);
      if (hex.size() < hex_digits || error != std::errc() || end != hex.data() + hex.size() || code > 0x10FFFF ||
          (code >= 0xD800 && code <= 0xDFFF)) {
        return fail("a string has an invalid escape");
      }
      append_utf8(out, code);
      return advance(2 + hex_digits);
    }
    constexpr std::string_view kEscaped = "ntr\\'\"abfv\n";
    constexpr std::string_view kMeaning = "\n\t\r\\'\"\a\b\f\v";
    std::size_t which = c == '\0' ? std::string_view::npos : kEscaped.find(c);
    if ((c >= '0' && c <= '7') || c == 'N') return fail("octal and named escapes are not supported");
    if (which == std::string_view::npos) {  // Python keeps the backslash of an escape it does not know
      out.push_back('\\');
      return advance(1);
    }
    if (which < kMeaning.size()) out.push_back(kMeaning[which]);
    advance(2);
  }

  std::string source_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool line_starting_ = true;  // whether text at `at_` begins a line as far as lstrip_blocks is concerned
  std::vector<TemplateToken> tokens_;
  std::optional<Error> error_;
};

}  // namespace

Result<std::vector<TemplateToken>> lex_template(std::string source) {
  if (source.size() > kTemplateSourceBytesMax) {
    return Error{ErrorCode::kModelFile,
                 "chat template: it has " + std::to_string(source.size()) + " bytes; at most " +
                     std::to_string(kTemplateSourceBytesMax) + " are allowed",
                 "", 0};
  }
  if (find_invalid_utf8(source)) return Error{ErrorCode::kModelFile, "chat template: it is not valid UTF-8", "", 0};
  return Lexer(normalized(source)).run();
}

}  // namespace troupe
