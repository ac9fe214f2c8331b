#include "runtime/drain_rate.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// What is left of a weight after `gap`; a gap counts as one half-life at most, so that idleness, in which nothing
// could drain, does not look like slowness.
double kept_after(double gap_s) { return std::exp2(-gap_s / seconds(DrainRate::kHalfLife)); }

double gap_s(SteadyTime from, SteadyTime to) {
  return std::clamp(seconds(to - from), 0.0, seconds(DrainRate::kHalfLife));
}

}  // namespace

void DrainRate::completed(std::uint64_t tokens, SteadyTime now) {
  if (!started_) {  // the first step has no known beginning
    started_ = true;
    last_ = now;
    return;
  }
  tokens_ += static_cast<double>(tokens);
  double gap = gap_s(last_, now);
  if (gap <= 0.0) return;
  double kept = kept_after(gap);
  rate_ = rate_ * kept + tokens_ / gap * (1.0 - kept);
  weight_ = weight_ * kept + (1.0 - kept);
  tokens_ = 0.0;
  last_ = now;
}

double DrainRate::tokens_per_second(SteadyTime now) const {
  if (weight_ <= 0.0) return 0.0;
  return rate_ / weight_ * kept_after(gap_s(last_, now));
}

}  // namespace troupe
