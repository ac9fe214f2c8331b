#pragma once
// How soon the next request comes after one: a histogram of gaps whose past fades. In ms.
#include <array>

namespace troupe {

class GapHistogram {
 public:
  static constexpr int kBins = 10;
  static constexpr std::array<double, kBins> kMiddle{0.05, 0.17, 0.37, 0.75, 1.5, 3, 6, 12, 24, 48};
  static constexpr std::array<double, kBins> kEnd{0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64};

  void add(double gap_ms) {
    for (double& count : counts_) count *= kKeep;
    beyond_ *= kKeep;
    for (int i = 0; i < kBins; ++i) {
      if (gap_ms <= kEnd[i]) {
        counts_[i] += 1;
        return;
      }
    }
    beyond_ += 1;
  }
  double count(int bin) const { return counts_[bin]; }
  double total() const {
    double sum = beyond_;
    for (double count : counts_) sum += count;
    return sum;
  }

 private:
  static constexpr double kKeep = 0.99;  // the last hundred gaps or so
  std::array<double, kBins> counts_{};
  double beyond_ = 0;
};

}  // namespace troupe
