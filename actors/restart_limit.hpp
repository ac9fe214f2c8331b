#pragma once
// How often a child may die before its supervisor gives up: `deaths_max` times within `window`, not counting those
// before its last sign of life. A poisoned request that kills the executor now and then is no crash loop.
#include <chrono>
#include <cstdint>
#include <deque>

#include "runtime/request.hpp"

namespace troupe {

class RestartLimit {
 public:
  RestartLimit(std::uint32_t deaths_max, std::chrono::nanoseconds window) : deaths_max_(deaths_max), window_(window) {}

  // True when the child may be started again.
  bool died(SteadyTime now) {
    while (!deaths_.empty() && now - deaths_.front() > window_) deaths_.pop_front();
    deaths_.push_back(now);
    return deaths_.size() < deaths_max_;
  }
  void did_work() { deaths_.clear(); }

 private:
  std::uint32_t deaths_max_;
  std::chrono::nanoseconds window_;
  std::deque<SteadyTime> deaths_;  // at most deaths_max_
};

}  // namespace troupe
