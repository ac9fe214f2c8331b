#pragma once
// What a step may take on: asked by the scheduler while it puts the step together.
#include <cstdint>

#include "runtime/step_shape.hpp"

namespace troupe {

class StepBudget {
 public:
  virtual ~StepBudget() = default;

  // Sequences that may run at all; those that run already stay.
  virtual std::uint32_t sequences_max() const = 0;

  // How many positions of a prompt may join the step so far: `before` of it are done, `left` (>= 1) are not. 0: none;
  // never more than `left`.
  virtual std::uint32_t chunk(const StepShape& so_far, std::uint32_t before, std::uint32_t left) const = 0;

  // The least time until a prompt with so many positions left has its first token, in ms; 0: nothing is known yet.
  virtual double least_prefill_ms(std::uint32_t left) const = 0;
};

}  // namespace troupe
