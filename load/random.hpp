#pragma once
// Randomness that is the same for a seed on every machine: the standard's generators are, its distributions are not.
#include <cstdint>

namespace troupe {

class SeededRandom {
 public:
  // Streams of one seed are independent of each other.
  explicit SeededRandom(std::uint64_t seed, std::uint64_t stream = 0);

  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);  // [0, bound); bound > 0
  double uniform();                          // [0, 1)
  double exponential();                      // mean 1
  double normal();                           // mean 0, variance 1
  double gamma(double shape);                // mean `shape`; shape > 0

 private:
  std::uint64_t state_;
};

// One well-mixed number for a pair: the word at a place, the stream of a request.
std::uint64_t mix(std::uint64_t a, std::uint64_t b);

}  // namespace troupe
