#pragma once
// What a request changes about logits before sampling: bias, then bans, then penalties, each one rounding per logit.
#include <span>

#include "runtime/step_plan.hpp"

namespace troupe {

// One row's slices of the plan. `previous` is the token that the step before sampled when the plan could not know
// it yet (StepRow::from_previous), else -1: it counts as output although `history` does not have it.
struct SamplingInput {
  RowSampling how;
  std::span<const TokenBias> bias;
  std::span<const TokenId> banned;
  std::span<const TokenHistory> history;
  TokenId previous = -1;
};

bool has_penalties(const RowSampling& how);
bool changes_logits(const SamplingInput& input);

// logit + bias; banned: -infinity; seen in prompt or output: logit > 0 ? logit / r : logit * r; then, seen n times in
// the output: logit - n * frequency, logit - presence. Tokens outside of the vocabulary are ignored.
void adjust_logits(const SamplingInput& input, std::span<float> logits);

}  // namespace troupe
