#include "load/timeline.hpp"

#include <algorithm>

namespace troupe {

void TimeSlice::merge(const TimeSlice& other) {
  first_token.merge(other.first_token);
  inter_token.merge(other.inter_token);
  offered += other.offered;
  served += other.served;
  refused += other.refused;
  failed += other.failed;
  output_tokens += other.output_tokens;
}

TimeSlice& Timeline::at(double seconds) {
  seconds = std::max(seconds, 0.0);
  while (seconds >= slice_s_ * static_cast<double>(kSlicesMax)) {
    for (std::size_t i = 0; i < slices_.size(); i += 2) {
      if (i + 1 < slices_.size()) slices_[i].merge(slices_[i + 1]);
      if (i > 0) slices_[i / 2] = std::move(slices_[i]);
    }
    slices_.resize((slices_.size() + 1) / 2);
    slice_s_ *= 2.0;
  }
  auto index = static_cast<std::size_t>(seconds / slice_s_);
  if (index >= slices_.size()) slices_.resize(index + 1);
  return slices_[index];
}

}  // namespace troupe
