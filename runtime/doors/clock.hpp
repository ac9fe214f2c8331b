#pragma once
// Time is handed in, so that a test can hold it still. Monotonic: timeouts never see a clock that jumps.
#include <chrono>
#include <functional>

#include "runtime/request.hpp"

namespace troupe {
using Clock = std::function<SteadyTime()>;
inline Clock steady_clock() {
  return [] { return std::chrono::steady_clock::now(); };
}
}  // namespace troupe
