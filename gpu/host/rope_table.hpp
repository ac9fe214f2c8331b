#pragma once
// cos and sin of position * frequency, computed in double with + - * / alone and rounded once (rule 7): the C library's
// differ from one version to the next, these bits do not.
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/result.hpp"
#include "tensor/storage.hpp"

namespace troupe {

struct RopeParameters {
  std::uint32_t positions = 0;       // the model's context length
  std::uint32_t dims = 0;            // rotated dimensions of a head, even
  double base = 10000.0;             // rope_theta
  double linear_factor = 1.0;        // position interpolation: frequencies are divided by it
  double magnitude = 1.0;            // multiplies cos and sin (YaRN, longrope)
  std::span<const double> divisors;  // [dims/2] of the frequencies, within [2^-6, 2^20]; empty: none
};

// YaRN (Peng et al., arXiv 2309.00071): pairs that turn often within the original context keep their frequency, those
// that turn less than once are divided by `factor`, and there is a ramp between them.
struct YarnScaling {
  double factor = 1.0;                 // >= 1
  std::uint32_t original_context = 0;  // positions the model was trained for before it was stretched
  double beta_fast = 32.0;             // turns within it at which the ramp begins
  double beta_slow = 1.0;              // and ends
};
std::vector<double> yarn_divisors(std::uint32_t dims, double base, const YarnScaling& scaling);  // [dims/2]
double yarn_magnitude(double factor);                                                            // 1 + 0.1 ln factor

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
