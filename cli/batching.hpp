#pragma once
// From settings to what the batcher is made with: the same for a server and for a simulation of it.
#include "conf/settings.hpp"
#include "runtime/batcher.hpp"

namespace troupe {

SchedulerLimits scheduler_limits(const Settings& settings, std::uint32_t context);
BatchWindowOptions window_options(const Settings& settings);
Slo slo(const Settings& settings);

// Limits, window and targets as the settings say; what a machine decides (context, KV blocks) stays.
void configure(BatcherOptions& options, const Settings& settings);

}  // namespace troupe
