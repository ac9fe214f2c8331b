#pragma once
// How a model's heads rotate: base, scaling (linear, YaRN, longrope) and divisors, as the file says them.
#include <cstdint>
#include <vector>

#include "model/architectures/key_reader.hpp"
#include "model/architectures/tensor_lookup.hpp"

namespace troupe {

struct RopeDescription {
  std::uint32_t dims = 0;        // values of a head that rotate, even; the rest of the head stays as it is
  double theta = 10000.0;        // >= 1
  double linear_factor = 1.0;    // frequencies are divided by it
  double magnitude = 1.0;        // multiplies cos and sin
  std::vector<double> divisors;  // [dims / 2] of the frequencies; empty: none
  // longrope: instead of `divisors` when more than original_context positions are served.
  std::vector<double> long_divisors;
  std::uint32_t original_context = 0;

  const std::vector<double>& divisors_for(std::uint32_t context) const {
    return !long_divisors.empty() && context > original_context ? long_divisors : divisors;
  }
};

// From <architecture>.rope.* and the tensors rope_freqs, rope_factors_short and rope_factors_long. Errors stay in the
// reader and the lookup.
RopeDescription read_rope(KeyReader& reader, TensorLookup& lookup, std::uint32_t head_dim, std::uint32_t context);

}  // namespace troupe
