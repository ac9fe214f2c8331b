#pragma once
// Step plans that are used again once nobody else holds them, so that planning a step allocates nothing after the
// first few (contract 7). Their arrays keep their capacity.
#include <algorithm>
#include <array>
#include <memory>

#include "runtime/step_plan.hpp"

namespace troupe {

class PlanPool {
 public:
  // An empty plan that nobody else sees. When all are still held somewhere (a test keeps them, an executor died with
  // them), a fresh one takes the place of one of them.
  std::shared_ptr<StepPlan> take() {
    auto is_usable = [](const std::shared_ptr<StepPlan>& one) { return !one || one.use_count() == 1; };
    auto at = std::find_if(plans_.begin(), plans_.end(), is_usable);
    if (at == plans_.end()) at = plans_.begin(), at->reset();
    if (!*at) *at = std::make_shared<StepPlan>();
    // Copying the pointer reads its count with acquire order: what the last holder did with the plan, on whatever
    // thread, is over before it is cleared. (use_count() alone does not promise that.)
    std::shared_ptr<StepPlan> plan = *at;
    plan->clear();
    return plan;
  }

 private:
  std::array<std::shared_ptr<StepPlan>, 4> plans_;  // two in flight, one on its way back, one to write
};

}  // namespace troupe
