#include "runtime/batch_window.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/metric_labels.hpp"

namespace troupe {
namespace {

// Values of a prototype of this law. In its simulation kCalm from 0.45 to 0.8 and kUrgency from 0.35 to 0.7 moved the
// mean goodput by at most 0.4 points; the others have the reasons beside them.
constexpr double kFloor = 0.10;  // share of the gap's target a prompt gets even when decode alone fills the step
constexpr double kCalm = 0.65;   // share of the target used while no first token is in danger: shorter gaps
// Where no gap is promised, a step takes at most so many times what decode alone takes, and no first token either: late
// prompts do not stretch it much more. So a burst of prompts is spread, and does not come back as one.
constexpr double kCalmTimes = 2.5;
constexpr double kUrgentTimes = 3;
constexpr double kUrgentShare = 0.25;  // of the target: what is urgent may take it, however few decode
constexpr double kUrgency = 0.50;      // waiting prompts shall be done in this share of the time they have left
constexpr double kSolo = 0.25;         // nobody decodes: a step may take this share of a first token's time
constexpr double kSoloCalm = 16;       // and, without danger, so many fixed costs: longer steps save nothing
constexpr double kTrust = 2.0;         // no step plans more than so many times the largest prefill seen lately
constexpr double kTrustFade = 0.9995;  // per step
constexpr double kTrustStart = 64;     // positions
constexpr double kTwoStreams = 1.5;    // the target is never below so many times what two streams need: impossible
                                       // targets cost their own misses, not the throughput
constexpr double kAllowedLate = 2e-4;  // share of late gaps: an answer of 100 tokens has 100 chances
constexpr double kTrimRate = 0.05;
constexpr double kTrimMin = 0.5;
constexpr double kBlame = 0.6;      // a late step counts only if it was planned above this share of the target
constexpr double kTrimSlack = 0.2;  // the trim recovers by this share while the target does not bind
constexpr double kStretch = 3.0;    // allowance where the target is impossible, in times of computing it alone
constexpr double kFeasible = 1.2;   // a target below so many times computing it alone is impossible
constexpr double kMeanRate = 0.02;
constexpr double kStepRate = 0.05;
constexpr double kGapsKnown = 20;  // fewer gaps are no knowledge: the executor does not gamble
constexpr double kGapsLeft = 5;
constexpr double kWorthIt = 0.02;      // of the step's time: less is noise
constexpr double kSmallestChunk = 16;  // a block of KV; smaller pieces cost a row each and win nothing

}  // namespace

const char* name_of(BatchClose close) { return label_values(close)[static_cast<std::size_t>(close)]; }
const char* name_of(StepBound bound) { return label_values(bound)[static_cast<std::size_t>(bound)]; }

BatchWindow::BatchWindow(Slo slo, BatchWindowOptions options, StepTimeModel model)
    : slo_(slo),
      options_(options),
      model_(model),
      largest_prefill_(kTrustStart),
      sequences_max_(options.sequences_max) {}

// ---- the knobs of a step ------------------------------------------------------------------------------------------
void BatchWindow::plan(const LoadView& load) {
  is_solo_ = load.decoding < 1;
  if (model_.samples() > 0) prompt_rate_ = prompt_rate(load, mean_prompt_);
  if (is_fixed()) {
    bound_ = StepBound::kFixed;
    prefill_max_ = options_.step_tokens_max;
    return;
  }
  double target = gap_target_ms();
  sequences_max_ = static_cast<std::uint32_t>(sequences_limit(load));
  prefill_max_ = std::min<double>(options_.step_tokens_max, std::max(kTrustStart, kTrust * largest_prefill_));

  double most = is_solo_ ? std::max(target, kSolo * slo_.first_token_base_ms() / model_.spread()) : target;
  bound_ = is_solo_ ? StepBound::kSolo : StepBound::kGap;
  // The step time at which prompts advance as fast as their deadlines ask: p positions in a + b p ms.
  double a = model_.predict_ms({0, load.decoding, load.context, 0});
  double b = model_.per_prefill_ms(load.head_computed);
  double rate = load.need_rate / kUrgency;
  double need = rate * b < 0.95 ? a / (1 - rate * b) : most;
  double calm = is_solo_ ? kSoloCalm * a : kCalm * target;
  if (!is_solo_ && !slo_.promises_gap()) {
    calm = std::min(calm, kCalmTimes * a);
    if (!slo_.promises_first_token()) most = std::min(most, std::max(kUrgentTimes * a, kUrgentShare * target));
  }
  step_ms_ = most;
  if (std::max(calm, need) >= most) return;
  step_ms_ = std::max(calm, need);
  bound_ = need > calm ? StepBound::kUrgent : StepBound::kCalm;
}

std::uint32_t BatchWindow::chunk(const StepShape& so_far, std::uint32_t before, std::uint32_t left) const {
  double cap = std::min<double>(left, prefill_max_ - so_far.prefill);
  if (cap < 1) return 0;
  if (is_fixed()) {
    bool is_alone = so_far.prefill == 0 && so_far.seqs == 0;
    return static_cast<std::uint32_t>(is_alone ? cap : std::min<double>(cap, options_.prefill_chunk_max));
  }
  double fits = model_.prefill_within(step_ms_, so_far, before, cap);
  double least = std::min(cap, least_chunk(before));
  if (so_far.prefill + fits < least) fits = least - so_far.prefill;  // some progress always
  if (so_far.prefill > 0 && fits < cap && fits < kSmallestChunk) return 0;
  return static_cast<std::uint32_t>(fits);
}

// Median a step may take so that nearly all stay within the target.
double BatchWindow::gap_target_ms() const {
  double two_streams = model_.predict_ms({0, 2, 2 * (mean_prompt_ + mean_output_), 0});
  return std::max(slo_.gap_ms() * trim_ / model_.spread(), kTwoStreams * two_streams / (1 - kFloor));
}

double BatchWindow::least_chunk(double before) const {
  return std::max(1.0, std::floor(kFloor * slo_.gap_ms() / std::max(model_.per_prefill_ms(before), 1e-9)));
}

// Most sequences whose decode alone keeps the target with room for the smallest chunk. An aim limits nobody.
double BatchWindow::sequences_limit(const LoadView& load) const {
  double most = options_.sequences_max;
  if (is_fixed() || !slo_.promises_gap()) return most;
  double context = load.decoding >= 1 ? load.context / load.decoding : mean_prompt_ + mean_output_ / 2;
  double room = (1 - kFloor) * gap_target_ms() - model_.fixed_ms();
  return std::clamp(std::floor(room / std::max(model_.per_decode_ms(context), 1e-9)), 1.0, most);
}

// ---- the window ---------------------------------------------------------------------------------------------------
double BatchWindow::hold_ms(double waiting, double tokens, double since_ms, double held_ms) {
  last_hold_ms_ = 0;
  if (held_ms >= options_.window_max_ms) return 0;
  if (is_fixed()) return last_hold_ms_ = options_.window_max_ms - held_ms;
  const GapHistogram& gaps = waiting < 1.5 ? first_gaps_ : gaps_;
  if (gaps.total() < kGapsKnown) return 0;
  return last_hold_ms_ = worth_waiting_ms(gaps, waiting, tokens, since_ms, held_ms);
}

// The expected gain of staying open until the end of each bin: a newcomer wins the start of a step, those who are here
// lose the wait and the longer step. Control limits of batch service: Deb and Serfozo, 1973.
double BatchWindow::worth_waiting_ms(const GapHistogram& gaps, double waiting, double tokens, double since,
                                     double held) const {
  double time = alone_ms(tokens), newcomer = alone_ms(mean_prompt_), both = alone_ms(tokens + mean_prompt_);
  double mass = gaps.total();
  for (int i = 0; i < GapHistogram::kBins; ++i) {
    if (GapHistogram::kEnd[i] <= since) mass -= gaps.count(i);
  }
  if (mass < kGapsLeft) return 0;
  double gain = 0, seen = 0, best = 0, best_ms = 0;
  for (int i = 0; i < GapHistogram::kBins; ++i) {
    double end = GapHistogram::kEnd[i] - since;
    if (end <= 0) continue;
    if (held + end > options_.window_max_ms) break;
    double share = gaps.count(i) / mass, at = std::max(0.0, GapHistogram::kMiddle[i] - since);
    gain += share * ((time + newcomer - both - at) - waiting * (at + both - time));
    seen += share;
    double worth = gain - (1 - seen) * waiting * end;  // nobody came
    if (worth > best) best = worth, best_ms = end;
  }
  return best > kWorthIt * time ? best_ms : 0;
}

// ---- learning -----------------------------------------------------------------------------------------------------
void BatchWindow::observe_step(const StepShape& step, double ms, double gaps, double late_gaps) {
  double planned = model_.predict_ms(step);
  model_.observe(step, ms);
  largest_prefill_ = std::max(largest_prefill_ * kTrustFade, step.prefill);
  if (ms > 0 && std::isfinite(ms)) mean_step_ms_ += kStepRate * (ms - mean_step_ms_);
  if (!slo_.promises_gap() || gaps < 1) return;
  // An integral of the violations with two guards: it falls only for steps that were planned near the target (a stall
  // of the machine is not mended by smaller chunks), and rises in full only while the target is what binds.
  double late = late_gaps / gaps;
  if (late > 0) {
    if (planned > kBlame * slo_.gap_ms()) trim_ -= kTrimRate * late;
  } else {
    bool binds = bound_ == StepBound::kGap || bound_ == StepBound::kUrgent;
    trim_ += kTrimRate * kAllowedLate * (binds ? 1.0 : kTrimSlack);
  }
  trim_ = std::clamp(trim_, kTrimMin, 1.0);
}

void BatchWindow::observe_arrival_gap(double gap_ms, bool found_idle) {
  if (!(gap_ms >= 0)) return;
  if (found_idle) first_gaps_.add(gap_ms);
  gaps_.add(gap_ms);
}

void BatchWindow::observe_finish(double prompt, double output) {
  mean_prompt_ += kMeanRate * (prompt - mean_prompt_);
  mean_output_ += kMeanRate * (output - mean_output_);
}

// ---- what follows -------------------------------------------------------------------------------------------------
double BatchWindow::alone_ms(double prompt) const {
  StepShape step;
  step.prefill = prompt;
  step.pairs = prompt * prompt / 2;
  return model_.predict_ms(step);
}

double BatchWindow::prompt_rate(const LoadView& load, double prompt) const {
  double middle = prompt / 2;
  if (load.decoding < 1) return 1 / std::max(model_.per_prefill_ms(middle), 1e-9);
  StepShape step{0, load.decoding, load.context, 0};
  double fits = model_.prefill_within(gap_target_ms(), step, middle, options_.step_tokens_max);
  step.prefill = std::max(least_chunk(middle), fits);
  step.pairs = step.prefill * middle;
  return step.prefill / std::max(model_.predict_ms(step), 1e-9);
}

bool BatchWindow::is_feasible(double prompt) const {
  return slo_.first_token_ms(prompt) >= kFeasible * alone_ms(prompt);
}

double BatchWindow::allowance_ms(double prompt) const {
  return is_feasible(prompt) ? slo_.first_token_ms(prompt) : kStretch * alone_ms(prompt);
}

}  // namespace troupe
