#pragma once
// The report of a run as one HTML file: figures, plots as inline SVG; no script, nothing from a network.
#include <string>

#include "load/run_description.hpp"
#include "load/run_statistics.hpp"

namespace troupe {
std::string report_html(const RunStatistics& run, const RunDescription& description);
}
