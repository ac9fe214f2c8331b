#pragma once
// The report of a load test as one JSON object: every figure of the text, and the timeline.
#include <string>

#include "load/run_description.hpp"
#include "load/run_statistics.hpp"

namespace troupe {
std::string load_json(const RunStatistics& run, const RunDescription& description);
}
