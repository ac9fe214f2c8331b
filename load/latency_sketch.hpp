#pragma once
// The durations of a whole run in constant memory: counts in the cells of runtime's QuantileSketch, so every quantile
// is within 1 % of the true one (from 0.1 ms to 3 hours); count, mean, smallest and largest are exact.
#include <cstdint>
#include <optional>
#include <vector>

namespace troupe {

class LatencySketch {
 public:
  LatencySketch();

  void observe(double seconds);
  void merge(const LatencySketch& other);

  std::uint64_t count() const { return count_; }
  double min() const { return min_; }  // 0 when nothing was observed, as mean and max
  double max() const { return max_; }
  double mean() const { return count_ == 0 ? 0.0 : sum_ / static_cast<double>(count_); }
  // Nearest rank: the smallest value with at least q * count at or below it. Nothing: there are none.
  std::optional<double> quantile(double q) const;

  // The whole distribution in bins of equal width on a logarithmic axis, from the first that is not empty to the last.
  struct Bin {
    double upper = 0.0;  // seconds
    std::uint64_t count = 0;
  };
  static constexpr std::size_t kCellsPerBin = 10;  // a bin is 22 % wide
  std::vector<Bin> bins() const;

 private:
  std::vector<std::uint32_t> cells_;  // stop counting at 2^32 - 1
  std::uint64_t count_ = 0;
  double sum_ = 0.0, min_ = 0.0, max_ = 0.0;
};

}  // namespace troupe
