#pragma once
// The controller of batches: from measured step times and gaps between tokens it decides what the next step may take on
// and how long an idle executor waits for company. Three knobs move:
//   step   in milliseconds, spent chunk by chunk with the learnt model; tokens would be the wrong unit
//   seqs   sequences that may run: their decode alone must leave room for a chunk (only when a gap is promised)
//   window the wait of an idle executor; worth it only where a step's fixed cost exceeds the newcomer's compute
// A plan is a function of the state, not of the last plan, so there is little to oscillate. Mode kFixed keeps the knobs
// of the configuration and learns all the same. No clock: times are arguments, in ms. One thread uses it.
#include <cstdint>
#include <optional>

#include "runtime/batch_reasons.hpp"
#include "runtime/gap_histogram.hpp"
#include "runtime/load_view.hpp"
#include "runtime/slo.hpp"
#include "runtime/step_budget.hpp"
#include "runtime/step_time_model.hpp"

namespace troupe {

struct BatchWindowOptions {
  enum class Mode : std::uint8_t { kAuto, kFixed };
  Mode mode = Mode::kAuto;
  double window_max_ms = 0;               // kFixed: the window itself; 0: never wait
  std::uint32_t sequences_max = 32;       // never exceeded
  std::uint32_t step_tokens_max = 512;    // positions of one step, never exceeded
  std::uint32_t prefill_chunk_max = 256;  // kFixed: of one prompt while others decode
};

class BatchWindow final : public StepBudget {
 public:
  BatchWindow(Slo slo, BatchWindowOptions options, StepTimeModel model = StepTimeModel{});

  // ---- before a step
  void plan(const LoadView& load);  // sets the knobs below
  std::uint32_t sequences_max() const override { return sequences_max_; }
  std::uint32_t chunk(const StepShape& so_far, std::uint32_t before, std::uint32_t left) const override;
  double least_prefill_ms(std::uint32_t left) const override { return left / prompt_rate_; }
  double step_ms() const { return step_ms_; }  // what the next step may take
  StepBound bound() const { return bound_; }

  // How long from now an idle executor stays open: `waiting` sequences with `tokens` to compute, the last of which came
  // `since_ms` ago and the first `held_ms` ago. 0: start.
  double hold_ms(double waiting, double tokens, double since_ms, double held_ms);

  // ---- what is measured
  // A step that made `gaps` gaps between tokens, `late_gaps` of them beyond slo().gap_ms().
  void observe_step(const StepShape& step, double ms, double gaps, double late_gaps);
  void observe_arrival_gap(double gap_ms, bool found_idle);  // since the request before, which found the executor idle
  void observe_finish(double prompt, double output);

  // ---- what follows from it
  double prompt_rate(const LoadView& load, double prompt) const;  // prompt positions per ms at the whole target
  double allowance_ms(double prompt) const;  // for a first token; stretched where the target is impossible
  bool is_feasible(double prompt) const;     // alone on the machine it would be in time
  double sequences_limit(const LoadView& load) const;
  double mean_output() const { return mean_output_; }
  double mean_step_ms() const { return mean_step_ms_; }

  const Slo& slo() const { return slo_; }
  const BatchWindowOptions& options() const { return options_; }
  const StepTimeModel& model() const { return model_; }
  double trim() const { return trim_; }                // [0.5, 1]: share of the gap's target that is planned for
  double window_ms() const { return last_hold_ms_; }   // the last decision of hold_ms

 private:
  bool is_fixed() const { return options_.mode == BatchWindowOptions::Mode::kFixed; }
  double gap_target_ms() const;
  double least_chunk(double before) const;
  double alone_ms(double prompt) const;
  double worth_waiting_ms(const GapHistogram& gaps, double waiting, double tokens, double since, double held) const;

  Slo slo_;
  BatchWindowOptions options_;
  StepTimeModel model_;
  GapHistogram first_gaps_, gaps_;  // after one that found the executor idle; after any
  double trim_ = 1;
  double largest_prefill_;      // of a step lately
  double mean_step_ms_ = 10;
  double mean_prompt_ = 200;
  double mean_output_ = 100;

  std::uint32_t sequences_max_;
  double step_ms_ = 0;
  double prefill_max_ = 0;
  double prompt_rate_ = 1e9;  // positions per ms, for the prompt that goes first
  bool is_solo_ = true;
  StepBound bound_ = StepBound::kSolo;
  double last_hold_ms_ = 0;
};

}  // namespace troupe
