#pragma once
// A class of prompts that has work keeps a share of the prefill capacity, whatever the deadlines of the others say: long
// prompts, which everybody overtakes, are slowed by a rush of short ones, never stopped.
#include <algorithm>
#include <array>

#include "runtime/slo.hpp"

namespace troupe {

class ClassFloor {
 public:
  using PerClass = std::array<double, kPromptClasses>;

  // Books of a step: the prompt positions it computed of each class, and who has more to compute.
  void booked(const PerClass& computed, const std::array<bool, kPromptClasses>& has_work) {
    double all = 0;
    for (double positions : computed) all += positions;
    for (int k = 0; k < kPromptClasses; ++k) {
      credit_[k] = has_work[k] ? std::clamp(credit_[k] + kShare * all - computed[k], 0.0, kCreditMax) : 0.0;
    }
  }

  // The class whose turn it is because it fell behind, and how many positions it may have; none: -1.
  int starved() const {
    int k = static_cast<int>(std::max_element(credit_.begin(), credit_.end()) - credit_.begin());
    return credit_[k] >= kTurn ? k : -1;
  }
  double credit(int prompt_class) const { return credit_[prompt_class]; }

  static constexpr double kShare = 0.10;

 private:
  static constexpr double kTurn = 64;        // positions: a chunk worth its row
  static constexpr double kCreditMax = 512;  // what was not used is not saved up
  PerClass credit_{};
};

}  // namespace troupe
