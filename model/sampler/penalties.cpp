#include "model/sampler/penalties.hpp"

#include <limits>

namespace troupe {
namespace {

bool is_in(TokenId token, std::span<const float> logits) {
  return token >= 0 && static_cast<std::size_t>(token) < logits.size();
}

void penalise(const RowSampling& how, const TokenHistory& seen, float& logit) {
  if (how.repetition_penalty != 1.0F)
    logit = logit > 0.0F ? logit / how.repetition_penalty : logit * how.repetition_penalty;
  if (seen.output_count == 0) return;
  float by_frequency = static_cast<float>(seen.output_count) * how.frequency_penalty;
  logit = logit - by_frequency;
  logit = logit - how.presence_penalty;
}

}  // namespace

bool has_penalties(const RowSampling& how) {
  return how.repetition_penalty != 1.0F || how.presence_penalty != 0.0F || how.frequency_penalty != 0.0F;
}

bool changes_logits(const SamplingInput& input) {
  return !input.bias.empty() || !input.banned.empty() || has_penalties(input.how);
}

void adjust_logits(const SamplingInput& input, std::span<float> logits) {
  for (const TokenBias& entry : input.bias)
    if (is_in(entry.token, logits)) logits[entry.token] = logits[entry.token] + entry.bias;
  for (TokenId token : input.banned)
    if (is_in(token, logits)) logits[token] = -std::numeric_limits<float>::infinity();
  if (!has_penalties(input.how)) return;
  bool previous_is_new = is_in(input.previous, logits);
  for (TokenHistory seen : input.history) {
    if (!is_in(seen.token, logits)) continue;
    if (seen.token == input.previous) {
      ++seen.output_count;
      previous_is_new = false;
    }
    penalise(input.how, seen, logits[seen.token]);
  }
  if (previous_is_new) penalise(input.how, TokenHistory{input.previous, 1, 0}, logits[input.previous]);
}

}  // namespace troupe
