#include <cstdio>
#include <string>
#include <utility>

#include "text/chat_template/operators.hpp"
#include "text/chat_template/template_limits.hpp"
#include "text/chat_template/value_text.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

struct Conversion {
  bool left = false;
  bool zero = false;
  std::size_t width = 0;
  int precision = -1;
  char letter = '\0';
};

// Reads flags, width, precision and the letter from `at` (behind the %); false when it is not one we know.
bool read_conversion(std::string_view format, std::size_t& at, Conversion& conversion) {
  for (; at < format.size() && (format[at] == '-' || format[at] == '0'); ++at) {
    (format[at] == '-' ? conversion.left : conversion.zero) = true;
  }
  auto number = [&] {
    std::size_t value = 0;
    for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at) {
      value = value * 10 + static_cast<std::size_t>(format[at] - '0');
      if (value > kPrintfWidthMax) value = kPrintfWidthMax + 1;
    }
    return value;
  };
  conversion.width = number();
  if (at < format.size() && format[at] == '.') {
    ++at;
    conversion.precision = static_cast<int>(number());
  }
  if (at >= format.size()) return false;
  conversion.letter = format[at++];
  return conversion.width <= kPrintfWidthMax && conversion.precision <= static_cast<int>(kPrintfWidthMax);
}

MarkedText converted(RenderState& state, const Conversion& conversion, const TemplateValue& value) {
  switch (conversion.letter) {
    case 's': {
      MarkedText text = text_of(state, value);
      if (conversion.precision < 0) return text;
      std::string_view bytes = text.bytes();
      std::size_t at = 0;
      for (int i = 0; i < conversion.precision && at < bytes.size(); ++i) at += code_point_at(bytes, at).bytes;
      return text.part(bytes.substr(0, at));
    }
    case 'd':
    case 'i':
      if (value.is_integral()) return MarkedText(std::to_string(value.as_int()));
      if (value.is_number() && value.as_double() > -9e18 && value.as_double() < 9e18) {
        return MarkedText(std::to_string(static_cast<std::int64_t>(value.as_double())));
      }
      break;
    case 'f':
      if (value.is_number()) {
        std::string text(kPrintfWidthMax + 400, '\0');  // a double has up to 309 digits before the point
        int length = std::snprintf(text.data(), text.size(), "%.*f",
                                   conversion.precision < 0 ? 6 : conversion.precision, value.as_double());
        text.resize(static_cast<std::size_t>(length));
        return MarkedText(std::move(text));
      }
      break;
    default:
      state.fail("the format '%" + std::string(1, conversion.letter) + "' is not supported");
      return {};
  }
  state.fail("the format '%" + std::string(1, conversion.letter) + "' needs a number");
  return {};
}

}  // namespace

TemplateValue printf_format(RenderState& state, const MarkedText& source, const std::vector<TemplateValue>& values,
                            bool use_all) {
  std::string_view format = source.bytes();
  MarkedText out;
  std::size_t used = 0;
  for (std::size_t at = 0; at < format.size();) {
    std::size_t percent = format.find('%', at);
    out.append_part(source, format.substr(at, percent - at));
    if (percent == std::string_view::npos) break;
    at = percent + 1;
    Conversion conversion;
    if (!read_conversion(format, at, conversion)) return state.fail("a format is incomplete or too wide");
    if (conversion.letter == '%') {
      out.append_part(source, format.substr(percent, 1));
      continue;
    }
    if (used == values.size()) return state.fail("not enough arguments for format string");
    MarkedText text = converted(state, conversion, values[used++]);
    if (!state.allocate(text.cost_bytes() + conversion.width)) return {};
    std::size_t characters = count_code_points(text.bytes());
    std::size_t padding = conversion.width > characters ? conversion.width - characters : 0;
    if (conversion.left) {
      out.append(text);
      out.append(std::string(padding, ' '));
    } else if (conversion.zero && conversion.letter != 's') {  // a number, without marks
      bool negative = text.bytes().starts_with('-');
      out.append((negative ? "-" : "") + std::string(padding, '0') + text.bytes().substr(negative ? 1 : 0));
    } else {
      out.append(std::string(padding, ' '));
      out.append(text);
    }
  }
  if (use_all && used < values.size()) return state.fail("not all arguments converted during string formatting");
  return state.text(std::move(out));
}

}  // namespace troupe
