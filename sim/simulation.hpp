#pragma once
// Plays a trace through a simulated server and says what its users would have felt. Deterministic: the same arguments
// give the same numbers and the same schedule hash on every machine.
#include <cstdint>
#include <map>
#include <string>

#include "load/latency_sketch.hpp"
#include "load/service_level.hpp"
#include "load/trace.hpp"
#include "runtime/batcher.hpp"
#include "sim/scenario.hpp"
#include "sim/step_cost.hpp"

namespace troupe {

struct SimulationOptions {
  BatcherOptions batcher;
  const StepCost* cost = nullptr;
  Slo slo;                            // what is judged, whatever the batcher promises
  const Scenario* machine = nullptr;  // whose slowness, noise and stalls the steps have; none: they cost what they cost
  std::uint64_t seed = 1;
  std::uint32_t retries = 0;  // of a refused request, each when Retry-After said; it is judged by its last attempt
};

struct SimulatedTenant {
  double service_tokens = 0;  // prompt positions and output tokens computed
  LatencySketch first_token;
};

struct SimulationResult {
  std::uint64_t offered = 0, refused = 0, failed = 0, finished = 0;
  std::uint64_t first_retries = 0, first_retries_served = 0;
  std::uint64_t good = 0;                      // held both targets, as ServiceLevel says
  std::uint64_t good_soft = 0;                 // with the mean gap instead
  double offered_tokens = 0, good_tokens = 0;  // prompt and output
  LatencySketch first_token, gap;              // seconds
  double allowance_p99 = 0;                    // 99th percentile of first token / its allowance, of those that had one
  double span_s = 0;                           // of the arrivals
  double busy_share = 0;                       // of the executor's time until the last answer
  double trim_min = 1, trim_mean = 1;
  std::uint64_t steps = 0;
  std::uint64_t schedule_hash = 0;
  std::map<std::string, SimulatedTenant> tenants;

  double goodput() const { return offered == 0 ? 0 : static_cast<double>(good) / static_cast<double>(offered); }
  double first_retry_success() const {
    return first_retries == 0 ? 1 : static_cast<double>(first_retries_served) / static_cast<double>(first_retries);
  }
  double goodput_by_tokens() const { return offered_tokens == 0 ? 0 : good_tokens / offered_tokens; }
  double jain() const;  // of the tenants' service tokens
};

SimulationResult simulate(const Trace& trace, const SimulationOptions& options);

// The batcher of a machine: its limits, blocks and targets.
BatcherOptions batcher_options(const StepCost& cost);

}  // namespace troupe
