#pragma once
// What one step computes, as far as its duration depends on it.
#include <cstdint>

namespace troupe {

struct StepShape {
  double prefill = 0;  // prompt positions
  double seqs = 0;     // rows of one position: sequences that decode
  double context = 0;  // cached positions those read
  double pairs = 0;    // attention of the prompts: sum over chunks of chunk * (positions before + chunk / 2)

  // A row of `count` positions after `before` others.
  void add(std::uint32_t before, std::uint32_t count) {
    if (count == 1) {
      seqs += 1;
      context += before;
    } else {
      prefill += count;
      pairs += static_cast<double>(count) * (before + count / 2.0);
    }
  }
};

}  // namespace troupe
