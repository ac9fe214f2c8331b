#pragma once
// How likely the model found one token of a prompt after those before it.
#include <cstdint>
#include <vector>

#include "runtime/step_plan.hpp"

namespace troupe {

struct PromptScore {
  float logprob = 0.0F;       // natural log, of the model's own distribution
  std::uint32_t rank = 0;     // 1: no token was likelier
  std::vector<TopToken> top;  // descending; as many as were asked for
  friend bool operator==(const PromptScore&, const PromptScore&) = default;
};

}  // namespace troupe
