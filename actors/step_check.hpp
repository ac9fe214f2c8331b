#pragma once
// Whether a result answers its plan. A runner may be another process or another machine: what comes back is checked
// before a scheduler believes it, and a runner that fails the check is replaced.
#include "runtime/doors/step_runner.hpp"

namespace troupe {

Status check_result(const StepPlan& plan, const StepResult& result, const RunnerInfo& info);

}  // namespace troupe
