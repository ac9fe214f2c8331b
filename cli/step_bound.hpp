#pragma once
// The least time a step can take: every matrix has to be read and multiplied, every K/V page attended to.
#include "gpu/host/kernel_bounds.hpp"
#include "model/host_engine/host_model.hpp"

namespace troupe {

struct StepWork {
  double tokens = 0;
  double sampled = 0;   // of them, by the head
  double seen = 0;      // positions seen, summed over the tokens
  double kv_bytes = 0;  // read
};

// Seconds, or 0 where a bound is not known: other weights than 4 and 8 bits, other K/V than int8, other tables than
// the bounds'. bandwidth: bytes a second.
double least_seconds(const HostModel& model, const KernelBounds& bounds, double bandwidth, const StepWork& work);

}  // namespace troupe
