#pragma once
// What the process costs, read from /proc when a scrape asks. A file that cannot be read gives no sample.
#include <vector>

#include "runtime/metric_family.hpp"

namespace troupe {

std::vector<MetricSample> process_cpu_seconds();
std::vector<MetricSample> process_resident_bytes();
std::vector<MetricSample> process_open_fds();
std::vector<MetricSample> process_start_seconds();

}  // namespace troupe
