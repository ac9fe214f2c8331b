#pragma once
#include <cstdint>

#include "runtime/doors/step_runner.hpp"

namespace troupe {

// Made-up steps, prompts and batches in turn, so that what a step touches first is touched before anybody waits for it.
// The error of the first step that fails.
Status warm_up(StepRunner& runner, std::uint32_t samples);

}  // namespace troupe
