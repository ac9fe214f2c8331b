#pragma once
// Whether a newcomer's first token can be in time, predicted before it costs anything (D7): a refusal now is worth more
// than an answer too late. Where no first token is promised everybody is admitted. Times in ms.
#include <array>
#include <cstdint>

#include "runtime/batch_window.hpp"

namespace troupe {

class Admission {
 public:
  explicit Admission(const BatchWindow& window) : window_(window) {}

  // From now to the first token of a prompt with `prompt` positions to compute.
  double predict_ms(const LoadView& load, double prompt, const Ahead& ahead) const;

  // Whether that is in time when `left_ms` are left. A class of long prompts is never shut out: as long as less of it was
  // admitted than kClassShare of the prefill capacity, one more is, late or not.
  bool admits(const LoadView& load, double prompt, const Ahead& ahead, double predicted_ms, double left_ms);

  // By how much a refused one was late: no sooner will it be admitted.
  double excess_ms(double prompt, double predicted_ms, double left_ms) const;

  // Whether a prompt that goes next, at full speed beside what decodes now, still makes it.
  bool is_attainable(const LoadView& load, double prompt, double left_ms) const;

  void observe_arrival(double prompt, double gap_ms);  // since the request before
  // Of an admitted request; `measured_ms` beyond `allowed_ms` when it was late or given up.
  void observe_first_token(double prompt, double predicted_ms, double measured_ms, double allowed_ms);
  void observe_refused(double prompt);

  double doubt(int prompt_class) const { return doubt_[prompt_class]; }  // [0.8, 3]: a prediction counts this many times

  static constexpr double kClassShare = 0.10;

 private:
  const BatchWindow& window_;
  std::array<double, kPromptClasses> doubt_{1, 1, 1, 1};
  std::array<double, kPromptClasses> arriving_{};  // prompt positions per ms
  std::array<double, kPromptClasses> typical_{80, 250, 1000, 3000};
  std::array<double, kPromptClasses> share_{};  // prompt positions each class may still be admitted with
  double unshared_ms_ = 0;                      // since the shares grew last
};

}  // namespace troupe
