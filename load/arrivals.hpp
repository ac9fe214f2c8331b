#pragma once
// When the requests of an open loop are intended, whatever became of those before. A renewal process of mean gap 1,
// mapped through the rate profile.
#include <string_view>

#include "load/random.hpp"
#include "load/rate_profile.hpp"

namespace troupe {

enum class ArrivalProcess : std::uint8_t {
  kPoisson,  // independent users
  kGamma,    // gaps of a chosen coefficient of variation: above 1 in bursts, below 1 smoother than Poisson
  kUniform,  // equal gaps
};
Result<ArrivalProcess> parse_arrivals(std::string_view text);

class Arrivals {
 public:
  static constexpr double kCvMin = 0.01;
  static constexpr double kCvMax = 100.0;

  // `cv` counts for kGamma only.
  Arrivals(ArrivalProcess process, double cv, RateProfile profile, std::uint64_t seed);

  double next_s();  // seconds from the start of the run; never smaller than the one before

 private:
  double gap();

  ArrivalProcess process_;
  double shape_;
  RateProfile profile_;
  SeededRandom random_;
  double position_ = 0.0;  // requests expected so far
};

}  // namespace troupe
