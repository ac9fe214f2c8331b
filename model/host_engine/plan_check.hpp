#pragma once
// A step plan against what the runner was built for: whoever made the plan promised all of this, and a plan that came
// over a wire or from a faulty scheduler must not write outside of the pool.
#include "runtime/doors/step_runner.hpp"
#include "runtime/result.hpp"

namespace troupe {

// kInternal, naming the row. Allocates only when there is an error.
Status check_plan(const StepPlan& plan, const RunnerInfo& info);

}  // namespace troupe
