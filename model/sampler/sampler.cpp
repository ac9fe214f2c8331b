#include "model/sampler/sampler.hpp"

#include <algorithm>
#include <cmath>

#include "model/sampler/candidates.hpp"
#include "model/sampler/logarithm.hpp"
#include "model/sampler/philox.hpp"
#include "model/sampler/typical.hpp"

namespace troupe {
namespace {

__extension__ typedef unsigned __int128 Wide;

constexpr double kLog2E = 1.4426950408889634;

// floor(total * fraction / 2^bits), exact.
std::uint64_t share(std::uint64_t total, std::uint64_t fraction, int bits) {
  return static_cast<std::uint64_t>(static_cast<Wide>(total) * fraction >> bits);
}

// floor(fraction * 2^bits) of a fraction in [0, 1]: the scaling is exact.
std::uint64_t fixed_point(float fraction, int bits) {
  return static_cast<std::uint64_t>(static_cast<double>(fraction) * static_cast<double>(1ULL << bits));
}

// min_p: a token must weigh at least this; tokens that weigh nothing never stay.
std::uint32_t least_weight(float min_p) {
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(fixed_point(min_p, 30)));
}

// How many candidates top_k and top_p leave, and what they weigh together. Never none.
struct Kept {
  std::size_t count;
  std::uint64_t total;
};
Kept keep(Candidates& candidates, std::uint32_t top_k, float top_p) {
  Kept kept{candidates.size(), candidates.total()};
  if (top_k > 0 && top_k < kept.count) {
    kept = {top_k, 0};
    for (std::size_t i = 0; i < kept.count; ++i) kept.total += candidates.weight(i);
  }
  if (!(top_p < 1.0F)) return kept;
  std::uint64_t needed = share(kept.total, fixed_point(top_p, 32), 32);
  Kept nucleus{0, 0};
  do nucleus.total += candidates.weight(nucleus.count++);
  while (nucleus.count < kept.count && nucleus.total < needed);
  return nucleus;
}

// Natural logarithms of the softmax of a row of logits.
class LogProbabilities {
 public:
  LogProbabilities(const HostKernels& kernels, std::span<const float> logits, float max)
      : logits_(logits),
        max_(static_cast<double>(max)),
        // ln of the sum of exp(logit - max).
        log_sum_(exact_ln(static_cast<double>(sum_exponentials(kernels, logits, max)) * 0x1p-40)) {}

  float operator()(TokenId token) const {
    return static_cast<float>((static_cast<double>(logits_[static_cast<std::size_t>(token)]) - max_) - log_sum_);
  }

 private:
  std::span<const float> logits_;
  double max_, log_sum_;
};

// Fills `top` with the likeliest tokens, descending, equal ones in the order of their ids; how many there are.
std::uint32_t find_top(std::span<const float> logits, const LogProbabilities& log_of, std::span<TopToken> top) {
  std::size_t room = std::min(top.size(), logits.size());
  // The best `room` so far, by logit descending; an equal one further right stays behind. `logprob` holds logits first.
  std::size_t count = 0;
  for (std::size_t token = 0; token < logits.size() && room > 0; ++token) {
    if (count == room && !(logits[token] > top[count - 1].logprob)) continue;
    std::size_t at = count < room ? count++ : room - 1;
    for (; at > 0 && logits[token] > top[at - 1].logprob; --at) top[at] = top[at - 1];
    top[at] = TopToken{static_cast<TokenId>(token), logits[token]};
  }
  for (TopToken& entry : top.first(count)) entry.logprob = log_of(entry.token);
  return static_cast<std::uint32_t>(count);
}

}  // namespace

Sampler::Sampler(std::uint32_t vocab_size, const HostKernels& kernels)
    : kernels_(kernels), adjusted_(vocab_size), weights_(vocab_size), keys_(vocab_size) {}

std::uint64_t Sampler::workspace_bytes(std::uint32_t vocab_size) {
  return static_cast<std::uint64_t>(vocab_size) * (sizeof(float) + sizeof(std::uint32_t) + sizeof(std::uint64_t));
}

Sampled Sampler::sample(std::span<const float> logits, const LogitsPeak& peak, const SamplingInput& input,
                        std::span<TopToken> top) {
  Sampled sampled;
  if (logits.empty() || !peak.finite) return sampled;
  std::span<const float> adjusted = logits;
  MaxLogit best = peak.best;
  if (changes_logits(input)) {
    std::span<float> copy = std::span(adjusted_).first(logits.size());
    std::copy(logits.begin(), logits.end(), copy.begin());
    adjust_logits(input, copy);
    adjusted = copy;
    best = kernels_.max_logit(adjusted.data(), static_cast<std::uint32_t>(adjusted.size()));
  }
  if (!std::isfinite(adjusted[best.index])) return sampled;
  sampled.outcome = RowOutcome::kSampled;
  sampled.token = input.how.temperature < kTemperatureMin ? static_cast<TokenId>(best.index)
                                                          : draw(adjusted, best.value, input.how);
  if (input.how.logprobs < 0) return sampled;
  LogProbabilities log_of(kernels_, logits, peak.best.value);
  sampled.logprob = log_of(sampled.token);
  std::size_t wanted = std::min<std::size_t>(static_cast<std::size_t>(input.how.logprobs), kTopTokensMax);
  sampled.top_count = find_top(logits, log_of, top.first(std::min(top.size(), wanted)));
  return sampled;
}

TokenId Sampler::draw(std::span<const float> logits, float max, const RowSampling& how) {
  float scale = static_cast<float>(kLog2E / static_cast<double>(how.temperature));
  compute_weights(kernels_, logits, max, scale, weights_.data());
  Candidates candidates({weights_.data(), logits.size()}, least_weight(how.min_p), keys_);
  Kept kept = keep(candidates, how.top_k, how.top_p);
  std::uint64_t random = random_bits(how.seed, how.choice, how.position);
  if (how.typical_p < 1.0F) {
    std::span<std::uint64_t> keys = candidates.first(kept.count);
    TypicalTokens typical = keep_typical(keys, weights_, kept.total, how.typical_p);
    std::uint64_t pick = share(typical.total, random, 64);
    for (std::size_t i = 0;; ++i) {
      auto token = static_cast<std::uint32_t>(keys[i]);
      if (pick < weights_[token]) return static_cast<TokenId>(token);
      pick -= weights_[token];
    }
  }
  // u64 * total / 2^64 is below total, so the walk ends inside the kept ones.
  std::uint64_t pick = share(kept.total, random, 64);
  std::size_t i = 0;
  for (std::uint64_t passed = candidates.weight(0); passed <= pick; passed += candidates.weight(i)) ++i;
  return static_cast<TokenId>(candidates.token(i));
}

Judged Sampler::judge(std::span<const float> logits, const LogitsPeak& peak, TokenId token,
                      std::span<TopToken> top) const {
  Judged judged;
  if (logits.empty() || !peak.finite) return judged;
  LogProbabilities log_of(kernels_, logits, peak.best.value);
  float own = logits[static_cast<std::size_t>(token)];
  auto likelier = std::count_if(logits.begin(), logits.end(), [own](float other) { return other > own; });
  judged.logprob = log_of(token);
  judged.rank = static_cast<std::uint32_t>(likelier) + 1;
  judged.top_count = find_top(logits, log_of, top);
  return judged;
}

}  // namespace troupe
