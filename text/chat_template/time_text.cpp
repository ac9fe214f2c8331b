#include <cstdio>
#include <ctime>
#include <string>

#include "text/chat_template/functions.hpp"

namespace troupe {

namespace {

// As in the C locale; other languages are no business of a template's.
constexpr const char* kDays[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr const char* kMonths[] = {"January", "February", "March",     "April",   "May",      "June",
                                   "July",    "August",   "September", "October", "November", "December"};

std::string digits(int value, int width) {
  std::string text = std::to_string(value);
  return text.size() < static_cast<std::size_t>(width)
             ? std::string(static_cast<std::size_t>(width) - text.size(), '0') + text
             : text;
}

int hour_of_twelve(int hour) { return hour % 12 == 0 ? 12 : hour % 12; }

// What stands for %letter; nothing when we do not know the letter.
std::string time_part(const std::tm& time, char letter) {
  switch (letter) {
    case 'Y':
      return std::to_string(time.tm_year + 1900);
    case 'y':
      return digits(time.tm_year % 100, 2);
    case 'm':
      return digits(time.tm_mon + 1, 2);
    case 'd':
      return digits(time.tm_mday, 2);
    case 'e': {
      std::string day = std::to_string(time.tm_mday);
      return day.size() < 2 ? " " + day : day;
    }
    case 'j':
      return digits(time.tm_yday + 1, 3);
    case 'H':
      return digits(time.tm_hour, 2);
    case 'I':
      return digits(hour_of_twelve(time.tm_hour), 2);
    case 'M':
      return digits(time.tm_min, 2);
    case 'S':
      return digits(time.tm_sec, 2);
    case 'p':
      return time.tm_hour < 12 ? "AM" : "PM";
    case 'A':
      return kDays[time.tm_wday];
    case 'a':
      return std::string(kDays[time.tm_wday]).substr(0, 3);
    case 'B':
      return kMonths[time.tm_mon];
    case 'b':
    case 'h':
      return std::string(kMonths[time.tm_mon]).substr(0, 3);
    case 'F':
      return time_part(time, 'Y') + "-" + time_part(time, 'm') + "-" + time_part(time, 'd');
    case 'T':
      return time_part(time, 'H') + ":" + time_part(time, 'M') + ":" + time_part(time, 'S');
    case '%':
      return "%";
    default:
      return {};
  }
}

}  // namespace

TemplateValue time_text(RenderState& state, const MarkedText& format, std::int64_t seconds) {
  std::time_t moment = seconds;
  std::tm time{};
  if (localtime_r(&moment, &time) == nullptr) return state.fail("the time is out of range");
  std::string out;
  const std::string& source = format.bytes();
  if (!state.allocate(4 * source.size())) return {};
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '%') {
      out.push_back(source[i]);
      continue;
    }
    std::string part = ++i < source.size() ? time_part(time, source[i]) : std::string();
    if (part.empty()) return state.fail("a letter of the time format is not supported");
    out += part;
  }
  return state.text(format.has_marks() ? MarkedText::of_message(std::move(out)) : MarkedText(std::move(out)));
}

}  // namespace troupe
