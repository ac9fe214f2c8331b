#pragma once
// How long a step will take, learnt from every step that was. No clock: times are arguments, in ms.
//
//   predict = gain * (fixed + prefill + seqs + context + pairs, each times its coefficient)
//
// The coefficients learn slowly the shape of the device: a Kalman filter on the relative error whose random-walk noise
// bounds its covariance, so that constant load does not wind it up (plain forgetting does: arXiv 2004.03910). The gain
// follows quickly what makes everything slower at once: a throttled clock, a neighbour. The spread says how far above
// the prediction a step may land.
#include <array>
#include <cstdint>

#include "runtime/step_shape.hpp"

namespace troupe {

class StepTimeModel {
 public:
  static constexpr int kFeatures = 5;
  using Coefficients = std::array<double, kFeatures>;
  // Per one, per 64 prompt positions, 8 sequences, 4096 cached positions, 65536 pairs: so that each is some ms.
  static constexpr Coefficients kScale{1, 64, 8, 4096, 65536};

  explicit StepTimeModel(Coefficients prior_ms = {2, 20, 4, 2, 4});  // a small model on two cores

  double predict_ms(const StepShape& step) const { return gain_ * base(step); }
  double per_prefill_ms(double before) const;   // of one more prompt position after `before` others
  double per_decode_ms(double context) const;   // of one more sequence that reads `context` positions
  double fixed_ms() const { return gain_ * theta_[0]; }

  // Most positions (<= limit) of a prompt that has `before` of them which may join `step` while it is predicted to
  // take no longer than `ms`.
  double prefill_within(double ms, const StepShape& step, double before, double limit) const;

  // Times that are not positive numbers are ignored.
  void observe(const StepShape& step, double ms);

  double gain() const { return gain_; }      // [0.1, 10]
  double spread() const { return spread_; }  // [1.02, 2]: nearly all steps are shorter than this times the prediction
  double error() const { return error_; }    // mean |measured / predicted - 1| lately
  const Coefficients& coefficients_ms() const { return theta_; }
  double doubt(int feature) const;           // diagonal of the covariance
  double doubt_max(int feature) const;
  std::uint64_t samples() const { return samples_; }

 private:
  static Coefficients features(const StepShape& step);
  double base(const StepShape& step) const;
  void take_scale(double ratio);
  void follow_gain(double log_error);
  void learn_shape(const StepShape& step, double ms);

  Coefficients theta_;
  Coefficients doubt_max_{};
  std::array<Coefficients, kFeatures> covariance_{};
  double gain_ = 1;
  double spread_ = 1.15;
  double variance_ = 0.003;  // of the logarithm of measured / predicted; 5 % at first
  double error_ = 0;
  int run_ = 0;  // large errors of one sign in a row, signed
  std::uint64_t samples_ = 0;
};

}  // namespace troupe
