#pragma once
// A scheduler with a scripted model behind it, for tests that say by hand what each step must be.
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "runtime/batch_window.hpp"
#include "test/runtime/scripted_model.hpp"

namespace troupe::test {

using Kind = SequenceEvent::Kind;

struct BenchLimits : SchedulerLimits {
  std::uint32_t prefill_chunk_max = 256;  // positions of one prompt in a step while others decode
};

// A budget that does not learn: what a step may take is what a person computes by hand.
inline BatchWindow fixed_budget(const BenchLimits& limits) {
  BatchWindowOptions options;
  options.mode = BatchWindowOptions::Mode::kFixed;
  options.sequences_max = limits.sequences_max;
  options.step_tokens_max = limits.step_tokens_max;
  options.prefill_chunk_max = limits.prefill_chunk_max;
  BatchWindow window({}, options);
  window.plan({});
  return window;
}

struct Bench {
  explicit Bench(BenchLimits limits = {}, std::uint32_t blocks = 64, bool prefix_cache = true)
      : kv(blocks, prefix_cache), scheduler(limits, kv), budget(fixed_budget(limits)), model(blocks) {}

  static SequenceRequest request(RequestId id, std::size_t prompt_tokens, std::uint32_t max_tokens) {
    SequenceRequest made;
    made.id = id;
    // Prompts of different requests share nothing.
    for (std::size_t i = 0; i < prompt_tokens; ++i) made.prompt.push_back(static_cast<TokenId>(id * 1000 + i));
    made.max_tokens = max_tokens;
    made.arrived = SteadyTime(std::chrono::microseconds(id));
    return made;
  }

  Status enqueue(const SequenceRequest& one) {
    model.know(one.id, one.cache_key);
    return scheduler.enqueue(one, now);
  }

  std::shared_ptr<const StepPlan> plan() {
    events.clear();
    auto made = scheduler.plan(now, budget, events);
    if (made) in_flight.push_back(made);
    return made;
  }
  void apply() {
    events.clear();
    StepResult result = model.run(*in_flight.front());
    in_flight.pop_front();
    scheduler.apply(result, now, events);
  }
  std::shared_ptr<const StepPlan> step() {
    auto made = plan();
    if (made) apply();
    return made;
  }
  void lose_executor() {
    events.clear();
    in_flight.clear();
    model.restart();
    scheduler.executor_lost(now, events);
  }

  // "1:3 2:1" - the rows of a plan as sequence:positions; "1:1p" with the token of the step before.
  static std::string rows(const std::shared_ptr<const StepPlan>& plan) {
    if (!plan) return "nothing";
    std::string text;
    for (const StepRow& row : plan->rows) {
      text += (text.empty() ? "" : " ") + std::to_string(row.sequence) + ":" + std::to_string(row.tokens.count) +
              (row.from_previous == 1 ? "p" : "");
    }
    return text;
  }

  // Steps until nothing is left to do; all events.
  std::vector<SequenceEvent> run() {
    std::vector<SequenceEvent> all;
    while (scheduler.has_work()) {
      bool was_planned = plan() != nullptr;
      all.insert(all.end(), events.begin(), events.end());
      if (was_planned && in_flight.size() < scheduler.limits().steps_in_flight) continue;
      if (in_flight.empty()) break;
      apply();
      all.insert(all.end(), events.begin(), events.end());
    }
    return all;
  }
  static std::vector<TokenId> tokens_of(const std::vector<SequenceEvent>& events, RequestId id) {
    std::vector<TokenId> tokens;
    for (const SequenceEvent& event : events) {
      if (event.id == id && event.kind == Kind::kToken) tokens.push_back(event.token);
    }
    return tokens;
  }

  SteadyTime now{std::chrono::seconds(1)};
  KvManager kv;
  Scheduler scheduler;
  BatchWindow budget;
  ScriptedModel model;
  std::vector<SequenceEvent> events;  // of the last call
  std::deque<std::shared_ptr<const StepPlan>> in_flight;
};

}  // namespace troupe::test
