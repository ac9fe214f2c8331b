#pragma once
// From a row of logits to a token (rule 12 of the arithmetic): temperature, min_p, top_k, top_p, typical_p and the draw
// are integer arithmetic on weights, so the token is a pure function of (logits, SamplingInput). Holds its workspace:
// sampling allocates nothing. One Sampler per thread.
#include <span>
#include <vector>

#include "gpu/host/phases.hpp"
#include "model/sampler/penalties.hpp"
#include "model/sampler/weights.hpp"
#include "runtime/step_plan.hpp"

namespace troupe {

inline constexpr std::uint32_t kTopTokensMax = 20;  // alternatives a row may ask for
inline constexpr float kTemperatureMin = 1e-5F;     // below it sampling is greedy

struct Sampled {
  RowOutcome outcome = RowOutcome::kNotFinite;  // also when every token is banned
  TokenId token = -1;
  float logprob = 0.0F;         // of the logits as they came in; when logprobs >= 0
  std::uint32_t top_count = 0;  // alternatives written, descending
};

// What the model makes of a token it did not choose.
struct Judged {
  float logprob = 0.0F;         // of the logits as they are
  std::uint32_t rank = 0;       // 1 + the number of larger logits; 0: not all of them are finite
  std::uint32_t top_count = 0;  // alternatives written, descending
};

class Sampler {
 public:
  Sampler(std::uint32_t vocab_size, const HostKernels& kernels);

  // `logits` has the vocabulary's size, `peak` is theirs. `top` has room for min(logprobs, kTopTokensMax).
  Sampled sample(std::span<const float> logits, const LogitsPeak& peak, const SamplingInput& input,
                 std::span<TopToken> top);

  // `top` has room for the alternatives that are wanted.
  Judged judge(std::span<const float> logits, const LogitsPeak& peak, TokenId token, std::span<TopToken> top) const;

  static std::uint64_t workspace_bytes(std::uint32_t vocab_size);

 private:
  TokenId draw(std::span<const float> logits, float max, const RowSampling& how);

  const HostKernels& kernels_;
  std::vector<float> adjusted_;
  std::vector<std::uint32_t> weights_;
  std::vector<std::uint64_t> keys_;
};

}  // namespace troupe
