#pragma once
// The small face of the log: one record a line, to wherever the program said. Never throws, never blocks a step;
// control characters are escaped by the sink. Prompts and keys are not logged.
#include <functional>
#include <string_view>

namespace troupe {

enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };
using LogSink = std::function<void(LogLevel, std::string_view room, std::string_view message)>;

// Set once, before threads start; without it warnings and errors go to stderr.
void set_log_sink(LogSink sink);
void log(LogLevel level, std::string_view room, std::string_view message);

}  // namespace troupe
