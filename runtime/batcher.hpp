#pragma once
// Everything a batcher decides, as plain code: who is admitted, when a step starts and what is in it, what a step that
// came back teaches. The batcher actor carries its messages, the simulation drives it with a virtual clock. One thread
// uses it; time comes in as an argument.
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "runtime/admission.hpp"
#include "runtime/batch_window.hpp"
#include "runtime/drain_rate.hpp"
#include "runtime/kv_manager.hpp"
#include "runtime/retry_line.hpp"
#include "runtime/scheduler.hpp"

namespace troupe {

struct BatcherOptions {
  SchedulerLimits limits;
  Slo slo;
  BatchWindowOptions window;  // sequences_max and step_tokens_max are taken from the limits
  std::uint32_t kv_blocks = 0;
  bool prefix_cache = true;
};

// Which requests held their targets (those in force, promised or aimed at), counted when they finish.
struct Goodput {
  std::uint64_t good_requests = 0;
  std::uint64_t good_tokens = 0;       // output tokens of those
  std::uint64_t late_first_token = 0;  // requests
  std::uint64_t late_gaps = 0;         // requests in time with more than 1 % of their gaps late
  std::uint64_t infeasible = 0;        // requests that could not have been in time alone on the machine
};

class Batcher {
 public:
  explicit Batcher(BatcherOptions options);

  // As Scheduler::enqueue; kQueueFull also when the first token is predicted too late for what is promised, or when the
  // room is kept for those who were told to come now, and kDeadlineExceeded when it is too late for the request's own
  // deadline. retry_after_s is set: the same request finds room then.
  Status enqueue(SequenceRequest sequence, SteadyTime now);

  // The request is gone. `asked` is when it was cancelled; nothing when it ended by itself.
  void drop(RequestId id, std::optional<SteadyTime> asked, SteadyTime now);

  // No company will come: the executor waits for nobody any more.
  void drain() { is_draining_ = true; }

  struct Step {
    std::shared_ptr<const StepPlan> plan;
    BatchClose close = BatchClose::kIdle;
  };
  // The next step that can start now; call it until there is none. Then wake_at() says when to call it again, if
  // nothing else happens before.
  std::optional<Step> next_step(SteadyTime now);
  std::optional<SteadyTime> wake_at() const { return wake_at_; }

  // Books of a step that came back. False: it is not the one that was waited for (an executor that is dead).
  bool step_done(const StepResult& result, SteadyTime now);
  void executor_lost(SteadyTime now);

  // What happened to sequences since this was last emptied. The caller takes it after every call above.
  std::vector<SequenceEvent>& events() { return events_; }
  // Durations from a cancel to its blocks being free, likewise.
  std::vector<std::chrono::nanoseconds>& frees() { return frees_; }

  // For a client that finds no room before its request is known: where the line ends.
  std::uint32_t retry_after_s(SteadyTime now) const;
  // The last step that came back: from being handed out, or the step before coming back, to its result.
  std::chrono::nanoseconds last_step() const { return last_step_; }

  Scheduler& scheduler() { return scheduler_; }
  const Scheduler& scheduler() const { return scheduler_; }
  KvManager& kv() { return kv_; }
  const KvManager& kv() const { return kv_; }
  const BatchWindow& window() const { return window_; }
  const Admission& admission() const { return admission_; }
  const RetryLine& retry_line() const { return retry_line_; }
  const Goodput& goodput() const { return goodput_; }
  std::uint64_t refused_total() const { return refused_total_; }  // because their first token would have been late

 private:
  struct Flight {
    std::uint64_t step = 0;
    StepShape shape;
    std::uint32_t positions = 0;
    SteadyTime sent{};
  };
  // What is known of an accepted sequence that the scheduler has no use for.
  struct Ticket {
    double prompt = 0;
    double predicted_ms = 0;
    double allowed_ms = 0;
    double excess_ms = 0;  // by which it was refused
    bool is_feasible = true;
    bool generates = true;
    SteadyTime arrived{};
    std::optional<SteadyTime> last_token;
    double first_token_ms = 0;
    std::uint32_t tokens = 0;
    std::uint32_t gaps = 0;
    std::uint32_t late_gaps = 0;
  };
  struct Gaps {
    double all = 0;
    double late = 0;
  };
  struct Freeing {
    std::uint64_t step = 0;
    SteadyTime asked{};
  };

  Status judge(const SequenceRequest& sequence, Ticket& ticket, const LineLoad& kept, SteadyTime now);
  LineLoad kept_for_others(const SequenceRequest& sequence, double allowed_ms, SteadyTime now);
  Error told_when(Error error, const LinePlace& place, double excess_ms, bool was_promised, SteadyTime now);
  std::optional<BatchClose> may_start(SteadyTime now);
  void observe_arrival(double prompt, SteadyTime now);
  Gaps take_news(std::size_t from);
  void note_token(Ticket& ticket, SteadyTime at, Gaps& gaps);
  void note_first(Ticket& ticket, SteadyTime at);
  void note_finish(const Ticket& ticket);
  void note_frees(std::uint64_t step, SteadyTime now);

  KvManager kv_;
  Scheduler scheduler_;
  BatchWindow window_;
  Admission admission_;
  DrainRate drain_rate_;
  RetryLine retry_line_;

  std::deque<Flight> flights_;  // at most steps_in_flight
  std::optional<SteadyTime> last_done_;
  std::chrono::nanoseconds last_step_{};
  std::unordered_map<RequestId, Ticket> tickets_;  // of sequences that are alive
  std::vector<SequenceEvent> events_;
  std::vector<Freeing> freeing_;  // at most one for each sequence of a step
  std::vector<std::chrono::nanoseconds> frees_;
  std::optional<SteadyTime> wake_at_;
  std::optional<SteadyTime> last_arrival_;
  bool last_found_idle_ = false;
  bool is_draining_ = false;

  Goodput goodput_;
  std::uint64_t refused_total_ = 0;
};

// The shape of a plan, as the model of step times wants it.
StepShape shape_of(const StepPlan& plan);

}  // namespace troupe
