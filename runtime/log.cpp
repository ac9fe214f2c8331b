#include "runtime/log.hpp"

#include <cstdio>
#include <string>
#include <utility>

namespace troupe {
namespace {

LogSink& sink() {
  static LogSink the_sink;
  return the_sink;
}

const char* word_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "log";
}

void append_escaped(std::string& line, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      line += c;
    } else {
      line += "\\x";
      line += kDigits[byte >> 4U];
      line += kDigits[byte & 15U];
    }
  }
}

void write_to_stderr(LogLevel level, std::string_view room, std::string_view message) {
  if (level < LogLevel::kWarning) return;
  std::string line = word_of(level);
  line += ' ';
  append_escaped(line, room);
  line += ": ";
  append_escaped(line, message);
  line += '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);  // one call: lines of two threads do not mix
}

}  // namespace

void set_log_sink(LogSink new_sink) { sink() = std::move(new_sink); }

void log(LogLevel level, std::string_view room, std::string_view message) {
  try {
    sink() ? sink()(level, room, message) : write_to_stderr(level, room, message);
  } catch (...) {  // a log that cannot be written is no reason to stop serving
  }
}

}  // namespace troupe
