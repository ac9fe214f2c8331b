#include "runtime/step_time_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace troupe {
namespace {

// Values of a prototype of this law. In its simulation kSpreadSigmas from 2 to 3.5, kWalk from 0.002 to 0.008 and
// kGainSlow from 0.02 to 0.05 moved the mean goodput by at most 0.4 points.
constexpr double kNoise = 0.10;        // assumed relative deviation of one step: the weight of a measurement
constexpr double kWalk = 0.004;        // relative random walk of a coefficient per step: a memory of some 250 steps
constexpr double kGainSlow = 0.05;     // share of an error the gain takes over
constexpr double kGainFast = 0.30;     // the same once the errors say that something has changed
constexpr double kLarge = 0.18;        // an error of the logarithm beyond this is more than noise
constexpr int kChanged = 6;            // so many of one sign in a row are a change
constexpr int kMaybeChanged = 3;       // so many are no measurement of noise
constexpr double kOutlier = 0.5;       // errors count no more than this: a stall is not a shape
constexpr double kSpreadSigmas = 3.3;  // one step in two thousand lands above
constexpr double kSpreadRate = 0.02;
constexpr double kErrorRate = 0.05;
constexpr double kLeastMs = 1e-6;  // times are never negative
constexpr double kScaleMax = 1e4;  // how wrong the prior may be

}  // namespace

StepTimeModel::StepTimeModel(Coefficients prior_ms) : theta_(prior_ms) {
  for (int i = 0; i < kFeatures; ++i) {
    covariance_[i][i] = doubt_max_[i] = theta_[i] * theta_[i] + kLeastMs;  // 100 % doubt
  }
}

StepTimeModel::Coefficients StepTimeModel::features(const StepShape& step) {
  return {1, step.prefill / kScale[1], step.seqs / kScale[2], step.context / kScale[3], step.pairs / kScale[4]};
}

double StepTimeModel::base(const StepShape& step) const {
  Coefficients x = features(step);
  double sum = 0;
  for (int i = 0; i < kFeatures; ++i) sum += theta_[i] * x[i];
  return sum;
}

double StepTimeModel::per_prefill_ms(double before) const {
  return gain_ * (theta_[1] / kScale[1] + before * theta_[4] / kScale[4]);
}

double StepTimeModel::per_decode_ms(double context) const {
  return gain_ * (theta_[2] / kScale[2] + context * theta_[3] / kScale[3]);
}

// linear * p + curve / 2 * p^2 = room
double StepTimeModel::prefill_within(double ms, const StepShape& step, double before, double limit) const {
  double room = ms / gain_ - base(step);
  if (!(room > 0)) return 0;
  double curve = theta_[4] / kScale[4];
  double linear = std::max(theta_[1] / kScale[1] + curve * before, 1e-9);
  bool is_curved = curve * room > 1e-9 * linear * linear;
  double most = is_curved ? (std::sqrt(linear * linear + 2 * curve * room) - linear) / curve : room / linear;
  return std::floor(std::min(most, limit));
}

void StepTimeModel::observe(const StepShape& step, double ms) {
  if (!(ms > 0) || !std::isfinite(ms)) return;
  double ratio = ms / std::max(predict_ms(step), kLeastMs);
  if (samples_++ == 0) return take_scale(ratio);
  double log_error = std::clamp(std::log(ratio), -1.0, 1.0);
  error_ += kErrorRate * (std::min(std::fabs(ratio - 1), 1.0) - error_);
  follow_gain(log_error);
  learn_shape(step, ms);
}

// The first step tells how fast this device is at all.
void StepTimeModel::take_scale(double ratio) {
  double scale = std::clamp(ratio, 1 / kScaleMax, kScaleMax);
  for (int i = 0; i < kFeatures; ++i) {
    theta_[i] = std::max(theta_[i] * scale, kLeastMs);
    covariance_[i][i] = doubt_max_[i] = theta_[i] * theta_[i] + kLeastMs;
  }
}

void StepTimeModel::follow_gain(double log_error) {
  bool is_large = std::fabs(log_error) > kLarge;
  run_ = !is_large ? 0 : log_error > 0 ? std::max(run_, 0) + 1 : std::min(run_, 0) - 1;
  double rate = std::abs(run_) >= kChanged ? kGainFast : kGainSlow;
  gain_ = std::clamp(gain_ * std::exp(rate * log_error), 0.1, 10.0);
  if (std::abs(run_) >= kMaybeChanged) return;
  double error = std::clamp(log_error, -kOutlier, kOutlier);
  variance_ += kSpreadRate * (error * error - variance_);
  spread_ = std::clamp(std::exp(kSpreadSigmas * std::sqrt(variance_)), 1.02, 2.0);
}

void StepTimeModel::learn_shape(const StepShape& step, double ms) {
  double predicted = std::max(predict_ms(step), kLeastMs);
  Coefficients z = features(step), pz{};
  double zpz = 0;
  for (double& value : z) value *= gain_ / predicted;
  for (int i = 0; i < kFeatures; ++i) {
    for (int j = 0; j < kFeatures; ++j) pz[i] += covariance_[i][j] * z[j];
    zpz += z[i] * pz[i];
  }
  double error = std::clamp(ms / predicted - 1, -kOutlier, kOutlier);
  double weight = kNoise * kNoise + zpz;
  for (int i = 0; i < kFeatures; ++i) {
    theta_[i] = std::max(theta_[i] + pz[i] / weight * error, kLeastMs);
    for (int j = 0; j < kFeatures; ++j) covariance_[i][j] -= pz[i] * pz[j] / weight;
  }
  for (int i = 0; i < kFeatures; ++i) {
    double walk = kWalk * theta_[i];
    covariance_[i][i] = std::min(covariance_[i][i] + walk * walk, doubt_max_[i]);
  }
}

double StepTimeModel::doubt(int feature) const { return covariance_[feature][feature]; }
double StepTimeModel::doubt_max(int feature) const { return doubt_max_[feature]; }

}  // namespace troupe
