#pragma once
// The one pass of floating point in sampling: logits to integer weights. From here on everything is integer, so sums
// and comparisons give the same token in any order, on any instruction set. 2^x is the kernels' (rule 5).
#include <cstdint>
#include <span>

#include "gpu/host/kernels.hpp"

namespace troupe {

inline constexpr std::uint32_t kWeightOne = 1U << 30;  // the weight of the largest logit

// weights[i] = rne(2^30 * exp2x((logits[i] - max) * scale)), scale = f32(log2(e) / temperature). A logit of -infinity
// (a banned token) weighs nothing.
void compute_weights(const HostKernels& kernels, std::span<const float> logits, float max, float scale,
                     std::uint32_t* weights);

// Sum of floor(2^40 * exp2x((logits[i] - max) * log2(e))): the softmax's denominator, in integers.
std::uint64_t sum_exponentials(const HostKernels& kernels, std::span<const float> logits, float max);

}  // namespace troupe
