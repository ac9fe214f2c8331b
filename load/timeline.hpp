#pragma once
// What happened when, in a bounded number of equal slices: when they are used up, neighbours are merged and each is
// twice as long.
#include <cstdint>
#include <vector>

#include "load/latency_sketch.hpp"

namespace troupe {

struct TimeSlice {
  LatencySketch first_token;  // of requests intended in this slice
  LatencySketch inter_token;  // of gaps that ended in it
  std::uint64_t offered = 0;  // intended in it
  std::uint64_t served = 0;   // ended well in it
  std::uint64_t refused = 0;  // answers 429 and 503
  std::uint64_t failed = 0;   // every other end
  std::uint64_t output_tokens = 0;

  void merge(const TimeSlice& other);
};

class Timeline {
 public:
  static constexpr std::size_t kSlicesMax = 120;
  static constexpr double kSliceSeconds = 0.5;  // to begin with

  TimeSlice& at(double seconds);  // from the start of the run; before it counts as 0
  const std::vector<TimeSlice>& slices() const { return slices_; }
  double slice_s() const { return slice_s_; }

 private:
  std::vector<TimeSlice> slices_;
  double slice_s_ = kSliceSeconds;
};

}  // namespace troupe
