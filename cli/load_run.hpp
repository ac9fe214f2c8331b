#pragma once
// What the flags of `troupe load` come to: checked, and made into the parts of a run.
#include <memory>

#include "cli/load_flags.hpp"
#include "load/load_driver.hpp"
#include "load/run_description.hpp"
#include "net/client/client_options.hpp"

namespace troupe {

struct LoadRun {
  ClientOptions client;
  std::unique_ptr<Trace> trace;  // before what points into it
  LoadPlan plan;
  std::unique_ptr<Workload> workload;
  ServiceLevel service_level;
  RunDescription description;
};

// kConfiguration names the flag, its value and what is allowed. `descriptors` bounds connections.
Result<LoadRun> plan_load(const LoadArguments& arguments, std::uint64_t descriptors);

}  // namespace troupe
