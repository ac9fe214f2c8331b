#include "load/random.hpp"

#include <cmath>
#include <numbers>

namespace troupe {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

// The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t finalise(std::uint64_t z) {
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

}  // namespace

std::uint64_t mix(std::uint64_t a, std::uint64_t b) { return finalise(finalise(a + kGolden) ^ (b * kGolden + 1)); }

SeededRandom::SeededRandom(std::uint64_t seed, std::uint64_t stream) : state_(mix(seed, stream)) {}

std::uint64_t SeededRandom::next() { return finalise(state_ += kGolden); }

// The remainder's bias is below bound / 2^64.
std::uint64_t SeededRandom::below(std::uint64_t bound) { return next() % bound; }

double SeededRandom::uniform() { return static_cast<double>(next() >> 11U) * 0x1p-53; }

double SeededRandom::exponential() { return -std::log1p(-uniform()); }

double SeededRandom::normal() {
  double radius = std::sqrt(2.0 * exponential());
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

// Marsaglia and Tsang, "A simple method for generating gamma variables" (2000); below 1 by their boost.
double SeededRandom::gamma(double shape) {
  if (shape < 1.0) {
    double boost = std::exp(-exponential() / shape);
    return gamma(shape + 1.0) * boost;
  }
  double d = shape - 1.0 / 3.0;
  double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {  // accepts more than 95 % of the draws
    double x = normal();
    double v = 1.0 + c * x;
    if (v <= 0.0) continue;
    v = v * v * v;
    if (exponential() > -(0.5 * x * x + d - d * v + d * std::log(v))) return d * v;
  }
}

}  // namespace troupe
