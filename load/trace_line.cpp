#include "load/trace_line.hpp"

namespace troupe {
namespace {

constexpr int kDepthMax = 16;

Error broken(std::string why) { return {ErrorCode::kConfiguration, std::move(why), "", 0}; }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

class JsonLine {
 public:
  explicit JsonLine(std::string_view text) : text_(text) {}

  Result<std::vector<std::pair<std::string, std::string>>> members() {
    std::vector<std::pair<std::string, std::string>> all;
    if (!take('{')) return broken("a line must be a JSON object");
    if (!take('}')) {
      do {
        std::string name;
        std::string value;
        if (all.size() == kTraceFieldsMax)
          return broken("more than " + std::to_string(kTraceFieldsMax) + " members in an object");
        if (!string(name) || !take(':')) return broken(fault());
        skip_space();
        bool is_plain = peek() != '{' && peek() != '[';
        if (!this->value(value, 0)) return broken(fault());
        if (is_plain) all.emplace_back(std::move(name), std::move(value));
      } while (take(','));
      if (!take('}')) return broken(fault());
    }
    skip_space();
    if (at_ != text_.size()) return broken("text after the object, at column " + std::to_string(at_ + 1));
    return all;
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\r')) ++at_;
  }

  bool take(char c) {
    skip_space();
    if (peek() != c) return false;
    ++at_;
    return true;
  }

  bool string(std::string& out) {
    if (!take('"')) return false;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') return ++at_, true;
      if (c == '\\') {
        c = ++at_ < text_.size() ? text_[at_] : '\0';
        if (c != '"' && c != '\\' && c != '/') return false;
      }
      if (static_cast<unsigned char>(c) < 0x20 || out.size() == kTraceTextMax) return false;
      out += c;
    }
    return false;
  }

  // A number, true, false or null as it is written; the caller reads the ones it wants.
  bool word(std::string& out) {
    while (at_ < text_.size() &&
           (std::string_view("+-.").find(peek()) != std::string_view::npos || is_alphanumeric())) {
      if (out.size() == kTraceTextMax) return false;
      out += text_[at_++];
    }
    return !out.empty();
  }

  bool is_alphanumeric() const {
    char c = peek();
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }

  bool value(std::string& out, int depth) {
    skip_space();
    if (peek() == '"') return string(out);
    if (peek() != '[' && peek() != '{') return word(out);
    return depth < kDepthMax && nested(depth + 1);
  }

  bool nested(int depth) {
    bool is_object = text_[at_++] == '{';
    char close = is_object ? '}' : ']';
    if (take(close)) return true;
    do {
      std::string ignored;
      if (is_object && (!string(ignored) || !take(':'))) return false;
      ignored.clear();
      if (!value(ignored, depth)) return false;
    } while (take(','));
    return take(close);
  }

  std::string fault() const { return "not a flat JSON object: see column " + std::to_string(at_ + 1); }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::vector<std::string>> split_csv(std::string_view line) {
  std::vector<std::string> cells;
  std::size_t at = 0;
  for (;;) {
    if (cells.size() == kTraceFieldsMax) return broken("more than " + std::to_string(kTraceFieldsMax) + " cells");
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
    std::string cell;
    std::size_t comma = line.find(',', at);
    if (at < line.size() && line[at] == '"') {
      std::size_t begin = at + 1;
      for (at = begin; at < line.size(); ++at) {
        if (line[at] == '"' && (at + 1 == line.size() || line[at + 1] != '"')) break;
        cell += line[at];
        if (line[at] == '"') ++at;
      }
      if (at >= line.size()) return broken("a quote is not closed");
      comma = line.find(',', at);
      std::string_view after = line.substr(at + 1, comma == std::string_view::npos ? comma : comma - at - 1);
      if (!trimmed(after).empty()) return broken("text after a closing quote");
    } else {
      cell = std::string(trimmed(line.substr(at, comma == std::string_view::npos ? comma : comma - at)));
    }
    if (cell.size() > kTraceTextMax) return broken("a cell of more than " + std::to_string(kTraceTextMax) + " bytes");
    cells.push_back(std::move(cell));
    if (comma == std::string_view::npos) return cells;
    at = comma + 1;
  }
}

Result<std::vector<std::pair<std::string, std::string>>> split_json_object(std::string_view line) {
  return JsonLine(line).members();
}

}  // namespace troupe
