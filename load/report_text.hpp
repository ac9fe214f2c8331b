#pragma once
// The report of a run for a terminal. Its first lines are those of the troubleshooting guide's own script, to the
// letter (R200, R201), so whatever reads them keeps working.
#include <string>

#include "load/run_description.hpp"
#include "load/run_statistics.hpp"

namespace troupe {

std::string report_text(const RunStatistics& run, const RunDescription& description);

// "  12.0s  sent 240  running 8  ok 230  refused 1  failed 0  512.3 tok/s  TTFT p50 0.045s"
struct LoadProgressLine {
  double now_s = 0.0;
  std::uint32_t running = 0;
  double tokens_per_second = 0.0;  // since the last line
};
std::string progress_text(const RunStatistics& run, const LoadProgressLine& line);

}  // namespace troupe
