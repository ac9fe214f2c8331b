#include <algorithm>
#include <charconv>
#include <string>

#include "text/chat_template/operators.hpp"
#include "text/chat_template/value_text.hpp"

namespace troupe {

namespace {

class BraceFormat {
 public:
  BraceFormat(RenderState& state, const MarkedText& format, const TemplateArguments& arguments)
      : state_(state), source_(format), format_(format.bytes()), arguments_(arguments) {}

  TemplateValue run() {
    for (std::size_t at = 0; at < format_.size() && !state_.failed();) {
      std::size_t brace = std::min(format_.find_first_of("{}", at), format_.size());
      put(format_.substr(at, brace - at));
      if (brace == format_.size()) break;
      bool doubled = brace + 1 < format_.size() && format_[brace + 1] == format_[brace];
      if (doubled) {
        put(format_.substr(brace, 1));
        at = brace + 2;
        continue;
      }
      std::size_t end = format_[brace] == '{' ? format_.find('}', brace) : std::string_view::npos;
      if (end == std::string_view::npos) return state_.fail("a single '{' or '}' in a format string");
      put_field(format_.substr(brace + 1, end - brace - 1));
      at = end + 1;
    }
    return state_.failed() ? TemplateValue() : TemplateValue::text(std::move(out_));
  }

 private:
  void put(std::string_view text) {
    if (state_.allocate(text.size() + 1)) out_.append_part(source_, text);
  }

  void put_field(std::string_view field) {
    bool as_repr = field.ends_with("!r");
    if (as_repr || field.ends_with("!s")) field.remove_suffix(2);
    if (field.find_first_of("!:.[]{") != std::string_view::npos) {
      state_.fail("a format string with more than names in its braces is not supported");
      return;
    }
    const TemplateValue* value = find(field);
    if (state_.failed()) return;
    MarkedText text = as_repr ? repr_of(state_, *value) : text_of(state_, *value);
    if (state_.allocate(text.cost_bytes())) out_.append(text);
  }

  const TemplateValue* find(std::string_view field) {
    std::size_t index = next_;
    bool is_number = !field.empty() && field.find_first_not_of("0123456789") == std::string_view::npos;
    if (is_number || field.empty()) {
      bool mixed = is_number ? next_ > 0 : is_numbered_;
      if (is_number && std::from_chars(field.data(), field.data() + field.size(), index).ec != std::errc())
        mixed = true;
      if (mixed || index >= arguments_.positional.size()) {
        state_.fail("a format string names an argument that is not there, or numbers only some of them");
        return nullptr;
      }
      if (is_number) is_numbered_ = true;
      next_ += !is_number;
      return &arguments_.positional[index];
    }
    for (const auto& [name, value] : arguments_.named) {
      if (name == field) return &value;
    }
    state_.fail("a format string names an argument that is not there");
    return nullptr;
  }

  RenderState& state_;
  const MarkedText& source_;
  std::string_view format_;
  const TemplateArguments& arguments_;
  MarkedText out_;
  std::size_t next_ = 0;      // of the arguments that braces without a number take
  bool is_numbered_ = false;  // some had one
};

}  // namespace

TemplateValue brace_format(RenderState& state, const TemplateValue& format, const TemplateArguments& arguments) {
  return BraceFormat(state, format.as_marked(), arguments).run();
}

}  // namespace troupe
