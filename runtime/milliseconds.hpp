#pragma once
// Durations as the policies count them: milliseconds in double.
#include <chrono>

#include "runtime/request.hpp"

namespace troupe {

inline double ms_between(SteadyTime from, SteadyTime to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

inline SteadyTime::duration duration_of_ms(double ms) {
  return std::chrono::duration_cast<SteadyTime::duration>(std::chrono::duration<double, std::milli>(ms));
}

}  // namespace troupe
