#include "model/sampler/weights.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::size_t kPiece = 256;  // logits at a time, on the stack

// Calls use(index, 2^((logit - max) * scale)) for every logit.
template <class Use>
void for_each_power(const HostKernels& kernels, std::span<const float> logits, float max, float scale, Use&& use) {
  alignas(64) float powers[kPiece];
  for (std::size_t begin = 0; begin < logits.size(); begin += kPiece) {
    std::size_t count = std::min(kPiece, logits.size() - begin);
    for (std::size_t i = 0; i < count; ++i) {
      float exponent = (logits[begin + i] - max) * scale;
      powers[i] = exponent < -100.0F ? -100.0F : exponent;  // zero from -80 on; keeps -infinity out of the kernel
    }
    kernels.exp2(powers, static_cast<std::uint32_t>(count), powers);
    for (std::size_t i = 0; i < count; ++i) use(begin + i, powers[i]);
  }
}

// Nearest integer of 0 <= x < 2^31, ties to even.
std::uint32_t round_even(float x) { return static_cast<std::uint32_t>((static_cast<double>(x) + 0x1.8p52) - 0x1.8p52); }

}  // namespace

void compute_weights(const HostKernels& kernels, std::span<const float> logits, float max, float scale,
                     std::uint32_t* weights) {
  for_each_power(kernels, logits, max, scale,
                 [weights](std::size_t i, float power) { weights[i] = round_even(power * 0x1p30F); });
}

std::uint64_t sum_exponentials(const HostKernels& kernels, std::span<const float> logits, float max) {
  constexpr float kLog2E = 0x1.715476p+0F;
  std::uint64_t sum = 0;
  for_each_power(kernels, logits, max, kLog2E,
                 [&sum](std::size_t, float power) { sum += static_cast<std::uint64_t>(power * 0x1p40F); });
  return sum;
}

}  // namespace troupe
