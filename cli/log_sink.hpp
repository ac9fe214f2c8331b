#pragma once
// Sends runtime's log to stderr through spdlog: text, or one JSON object a line.
#include <string>

namespace troupe {
void start_log(const std::string& level, bool json);
void set_log_level(const std::string& level);  // of the log that was started; from any thread
}  // namespace troupe
