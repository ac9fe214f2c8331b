#pragma once
// Writes the rows of one step plan. Decides nothing but how a sequence's next positions look as a row.
#include <cstdint>

#include "runtime/sequence.hpp"
#include "runtime/step_plan.hpp"

namespace troupe {

class PlanWriter {
 public:
  PlanWriter(StepPlan& plan, std::uint64_t step, std::uint32_t tokens_max) : plan_(plan), tokens_max_(tokens_max) {
    plan_.step = step;
  }

  std::uint32_t tokens_left() const { return tokens_max_ - static_cast<std::uint32_t>(plan_.tokens.size()); }

  // A row for the sequence's next `count` positions (1 <= count <= left(), within tokens_left()), whose blocks it
  // has. When they reach the end of what is known, a token is sampled after them, or the input's vector made;
  // tokens of the prompt that are to be judged are named on the way.
  void add(Sequence& sequence, std::uint32_t count);

 private:
  void add_targets(const Sequence& sequence, StepRow& row);
  std::uint32_t add_sampling(const Sequence& sequence);  // its index

  StepPlan& plan_;
  std::uint32_t tokens_max_;
};

}  // namespace troupe
