#pragma once
// What a step costs on a machine, for simulations: the truth the step-time model has to find out. In ms.
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/slo.hpp"
#include "runtime/step_shape.hpp"

namespace troupe {

struct StepCost {
  std::string name;                                  // "cpu135"
  std::string description;                           // model and machine
  std::vector<std::pair<double, double>> matrix_ms;  // positions of a step -> ms of its matrix products; interpolated
  double per_context_ms = 0;                         // per cached position a decoding sequence reads
  double per_pair_ms = 0;                            // per pair of the prompts' attention
  double overhead_ms = 0;                            // per step: scheduling, launches, sampling
  std::uint32_t sequences_max = 32;
  std::uint32_t kv_tokens = 0;
  std::uint32_t step_tokens_max = 8192;
  Slo slo;                    // targets that machine can hold
  double prompt_scale = 1;    // shrinks the long prompts of the scenarios where the machine cannot serve them
  double capacity_per_s = 1;  // requests of the mixed scenario a second at which a plain engine is saturated

  double ms(const StepShape& step) const;
};

std::span<const StepCost> step_costs();
const StepCost* find_step_cost(std::string_view name);

}  // namespace troupe
