#pragma once
// cos and sin of position * frequency, computed in double with + - * / alone and rounded once (rule 7): the C library's
// differ from one version to the next, these bits do not.
#include <cstdint>
#include <span>

#include "runtime/result.hpp"
#include "tensor/storage.hpp"

namespace troupe {

struct RopeParameters {
  std::uint32_t positions = 0;      // the model's context length
  std::uint32_t dims = 0;           // rotated dimensions of a head, even
  double base = 10000.0;            // rope_theta
  double linear_factor = 1.0;       // position interpolation: frequencies are divided by it
  double magnitude = 1.0;           // multiplies cos and sin (yarn, longrope)
  std::span<const float> divisors;  // rope_freqs.weight [dims/2]: divide the frequencies; empty: none
};

class RopeTable {
 public:
  // kModelFile when a parameter makes no sense: said which.
  static Result<RopeTable> make(const RopeParameters& parameters);

  // cos[dims/2], sin[dims/2]; position < positions().
  const float* row(std::uint32_t position) const { return storage_.as<float>() + std::size_t{position} * dims_; }
  std::uint32_t positions() const { return positions_; }
  std::uint32_t dims() const { return dims_; }

 private:
  Storage storage_;
  std::uint32_t positions_ = 0;
  std::uint32_t dims_ = 0;
};

}  // namespace troupe
