#pragma once
// How fast work is done, measured: what Retry-After is computed from (D7). Counts the tokens (prompt and output) that
// steps completed over the last seconds.
#include <chrono>
#include <cstdint>

#include "runtime/request.hpp"

namespace troupe {

class DrainRate {
 public:
  void completed(std::uint64_t tokens, SteadyTime now);

  // Tokens per second over the last kHalfLife or so; 0 before anything was measured.
  double tokens_per_second(SteadyTime now) const;

  static constexpr std::chrono::seconds kHalfLife{5};  // long against a step, short against a change of load

 private:
  double rate_ = 0.0;    // tokens per second, exponentially weighted by time
  double weight_ = 0.0;  // of what was measured; below 1 at first
  double tokens_ = 0.0;  // completed at the very instant last_
  SteadyTime last_{};
  bool started_ = false;
};

}  // namespace troupe
