#pragma once
// The figures of the dashboard page as one small JSON object: GET /stats. Totals only grow; a reader that wants a rate
// takes the difference of two. What was never observed is null.
#include <string>

#include "runtime/metrics.hpp"

namespace troupe {
std::string stats_json(const Metrics& metrics);
}
