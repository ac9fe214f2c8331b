#include "runtime/admission.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

constexpr double kMemory = 10;  // of the arrival rates, in allowances of a short prompt
constexpr double kTypicalRate = 0.05;
constexpr double kDoubtRate = 0.15;     // an integral on the share that missed
constexpr double kAllowedLate = 0.008;  // of admitted first tokens
constexpr double kDoubtFade = 0.003;    // per refusal: it teaches nothing, so doubt must fade by itself, or a class
                                        // refused once would be refused for ever
constexpr double kMattered = 0.25;      // a guess of 30 ms that took 60 of an allowed 500 is no error
constexpr int kOvertakingRounds = 3;    // of a fixed point
constexpr double kOvertakingMax = 4;    // in times of the wait without it
constexpr double kShareKept = 1.5;      // what a class did not use of its share is kept for so many typical prompts

}  // namespace

double Admission::predict_ms(const LoadView& load, double prompt, const Ahead& ahead) const {
  double rate = window_.prompt_rate(load, prompt);
  double decode = window_.model().predict_ms({0, load.decoding, load.context, 0});
  double base = (ahead.tokens + prompt) / rate + decode;

  // Shorter prompts yet to come have nearer deadlines and pass by.
  double wait = base;
  for (int round = 0; round < kOvertakingRounds; ++round) {
    double passing = 0;
    for (int k = 0; k < class_of(prompt); ++k) {
      double lead = window_.slo().ttft_ms_per_token * (prompt - typical_[k]);
      passing += arriving_[k] * std::clamp(lead, 0.0, wait);
    }
    wait = base + std::min(passing / rate, kOvertakingMax * base);
  }

  double no_place = load.running + ahead.sequences + 1 - window_.sequences_limit(load);
  if (no_place > 0 && load.decoding >= 1) {
    double until_place = no_place * window_.mean_output() * std::max(window_.mean_step_ms(), 1e-3) / load.decoding;
    wait = std::max(wait, until_place + prompt / rate);
  }
  return wait;
}

bool Admission::admits(const LoadView& load, double prompt, const Ahead& ahead, double predicted_ms, double left_ms) {
  if (!window_.slo().promises_first_token()) return true;
  double rate = window_.prompt_rate(load, prompt);
  for (int k = 0; k < kPromptClasses; ++k) {
    share_[k] = std::min(share_[k] + kClassShare * rate * unshared_ms_, kShareKept * typical_[k]);
  }
  unshared_ms_ = 0;
  int own = class_of(prompt);
  if (predicted_ms * doubt_[own] <= left_ms) {
    share_[own] = std::max(share_[own] - prompt, 0.0);
    return true;
  }
  bool has_place = load.running + ahead.sequences < window_.sequences_limit(load);
  if (!has_place || share_[own] < std::min(prompt, kShareKept * typical_[own])) return false;
  share_[own] = 0;
  return true;
}

double Admission::excess_ms(double prompt, double predicted_ms, double left_ms) const {
  return std::max(predicted_ms - left_ms / doubt_[class_of(prompt)], 0.0);
}

bool Admission::is_attainable(const LoadView& load, double prompt, double left_ms) const {
  return prompt / window_.prompt_rate(load, prompt) <= left_ms;
}

void Admission::observe_arrival(double prompt, double gap_ms) {
  double memory = kMemory * window_.slo().first_token_base_ms();
  double keep = std::exp(-std::max(gap_ms, 0.0) / memory);
  for (double& rate : arriving_) rate *= keep;
  unshared_ms_ += std::max(gap_ms, 0.0);
  int k = class_of(prompt);
  arriving_[k] += prompt / memory;
  typical_[k] += kTypicalRate * (prompt - typical_[k]);
}

void Admission::observe_first_token(double prompt, double predicted_ms, double measured_ms, double allowed_ms) {
  if (std::max(predicted_ms, measured_ms) < kMattered * allowed_ms) return;
  double& doubt = doubt_[class_of(prompt)];
  double missed = measured_ms > allowed_ms ? 1.0 : 0.0;
  doubt = std::clamp(doubt + kDoubtRate * (missed - kAllowedLate), 0.8, 3.0);
}

void Admission::observe_refused(double prompt) {
  double& doubt = doubt_[class_of(prompt)];
  doubt += kDoubtFade * (1 - doubt);
}

}  // namespace troupe
