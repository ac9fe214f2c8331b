#pragma once
// Sends runtime's log to stderr through spdlog: text, or one JSON object a line.
#include <string>

namespace troupe {
void start_log(const std::string& level, bool json);
}
