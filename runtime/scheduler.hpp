#pragma once
// Decides what each step computes: which sequences run, how prompts are cut into chunks, who waits and who is
// preempted. Plain code: no actor, no clock, no device; time comes in as an argument. One thread uses it.
//
// A sequence is waiting -> running -> ended. Running ones hold KV blocks (KvManager). Who goes first: the higher
// priority, then the tenant that was served least for its weight, then whose first token is due first. When blocks run
// out, the last of that order among priorities and due times is preempted: its blocks go, its tokens stay, it waits and
// is recomputed. Everything a sequence needs to go on is (SequenceRequest, emitted ids), so restart, preemption and
// retry are one path.
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/doors/step_runner.hpp"
#include "runtime/kv_manager.hpp"
#include "runtime/load_view.hpp"
#include "runtime/prompt_score.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "runtime/retry_line.hpp"
#include "runtime/step_budget.hpp"
#include "runtime/step_plan.hpp"
#include "runtime/tenant_books.hpp"
#include "runtime/tenant_rule.hpp"

namespace troupe {

struct SchedulerLimits {
  std::uint32_t sequences_max = 32;         // rows of one step
  std::uint32_t step_tokens_max = 512;      // new positions of one step
  std::uint32_t queue_max = 256;            // waiting sequences
  std::uint64_t queue_tokens_max = 262144;  // prompt tokens of waiting sequences
  std::uint32_t context_length = 2048;      // prompt + output of one sequence
  std::uint32_t steps_in_flight = 1;        // plans handed out before the first result is back: 1 or 2
  bool postpones_late = false;              // who cannot be in time any more lets those go first who can, once
};

// The token-level part of a request: what the batcher gets from the request actor.
struct SequenceRequest {
  RequestId id = 0;
  std::vector<TokenId> prompt;              // never empty
  std::vector<TokenId> emitted;             // output so far; not empty after a failover: sampling goes on after it
  SamplingParams sampling;                  // seed set
  std::uint32_t choice = 0;
  std::int32_t logprobs = -1;
  std::int32_t prompt_logprobs = -1;  // likewise for the prompt's tokens after the first; -1: not judged
  std::uint32_t scored = 0;           // how many of them have been, after a failover
  std::uint32_t max_tokens = 16;      // of the whole output, emitted included; 0: the prompt is only computed
  Pooling pooling = Pooling::kNone;         // an embedding: max_tokens is 1 and stands for its vector
  std::uint32_t min_tokens = 0;
  std::vector<TokenId> stop_tokens;         // ascending: end of generation (unless ignore_eos) and stop_token_ids
  std::string cache_key;                    // tenant and salt: prefixes are shared only within it
  std::string tenant;                       // who is served: a name, a digest of the API key, `user` or empty
  TenantClass tenant_class{};
  double weight = 1;                        // the tenant's; what it is served counts that much less
  std::int32_t priority = 0;
  SteadyTime arrived{};
  SteadyTime due{};                         // when its first token shall be out; equal for all: first come, first served
  std::optional<SteadyTime> deadline;

  bool generates() const { return pooling == Pooling::kNone && max_tokens > 0; }
};

// What happened to a sequence. Sent on to its request actor.
struct SequenceEvent {
  enum class Kind : std::uint8_t {
    kScheduled,  // first time in a plan; `cached_tokens` says what the prefix cache saved
    kScored,     // `scores`: of the prompt's next tokens; all of them are out before the first kToken
    kToken,      // one sampled token
    kFinished,   // after its last kToken: `finish` says why; a stop token itself is not reported as kToken.
                 // An embedding has no kToken, and its vector here
    kFailed,     // `error`
  };
  Kind kind = Kind::kToken;
  RequestId id = 0;
  TokenId token = -1;
  float logprob = 0.0F;
  std::vector<TopToken> top;
  std::uint32_t cached_tokens = 0;
  FinishReason finish = FinishReason::kStop;
  std::vector<float> embedding;
  std::vector<PromptScore> scores;
  Error error;
  SteadyTime at{};       // when it happened, which ended a stage
  SteadyTime next_at{};  // when the next stage began, by a clock read of its own: the batcher's
};

struct TenantLoad {
  std::uint32_t waiting = 0;
  std::uint32_t running = 0;
};

struct SchedulerCounts {
  std::uint32_t waiting = 0;
  std::uint64_t waiting_tokens = 0;
  std::uint32_t running = 0;
  std::uint64_t preemptions_total = 0;
  std::uint64_t prefix_query_tokens_total = 0;
  std::uint64_t prefix_hit_tokens_total = 0;
  std::uint64_t retries_total = 0;           // sequences put back because the executor died in a step of theirs
  std::uint64_t recomputed_tokens_total = 0; // positions planned once more after a preemption or an executor's death
  std::uint64_t discarded_tokens_total = 0;  // sampled after a stop (two steps in flight) or for a dropped sequence
  std::uint64_t postponed_total = 0;         // sequences that let others go first because they were late anyway
  std::array<TenantLoad, kTenantClasses> tenants{};
  std::optional<SteadyTime> oldest_waiting;  // arrival of the sequence that has waited longest
};

class Scheduler {
 public:
  // `kv` outlives the scheduler and is used by nobody else.
  Scheduler(SchedulerLimits limits, KvManager& kv);
  ~Scheduler();

  // kContextLengthExceeded when prompt + 1 (an embedding: its input) does not fit the context or the whole KV pool;
  // kQueueFull when the queue is full by requests or by tokens (retry_after_s is the caller's to fill in). Nothing
  // changes on an error.
  Status enqueue(SequenceRequest sequence, SteadyTime now);

  // Forgets a sequence at once, wherever it is; its blocks are released when no step in flight mentions them. Returns
  // the step that must come back before they are; 0: they are. Nothing when it is not known (ended already): no error.
  std::optional<std::uint64_t> drop(RequestId id);

  // The next step, or nothing: no work, or steps_in_flight plans are out. Steps are numbered from 1, ascending.
  // Appends kScheduled events, kFailed for deadlines that passed, or cannot be met any more, while waiting.
  std::shared_ptr<const StepPlan> plan(SteadyTime now, const StepBudget& budget, std::vector<SequenceEvent>& events);

  // Books of a step that came back: appends kToken, kFinished, kFailed in the plan's order. Results of a step that
  // is not in flight (an executor that died meanwhile) are ignored.
  void apply(const StepResult& result, SteadyTime now, std::vector<SequenceEvent>& events);

  // The executor died: every step in flight is lost, every KV block's content too. Running sequences go back to the
  // front of the queue with the tokens they have. A sequence that was in a lost step is tried again `kRetriesMax`
  // times, alone in its step until it has survived the one that was lost; then it fails with kInternal.
  void executor_lost(SteadyTime now, std::vector<SequenceEvent>& events);
  static constexpr std::uint32_t kRetriesMax = 2;

  bool has_work() const;      // something is waiting, running or in flight
  std::uint32_t in_flight() const;
  SchedulerCounts counts() const;
  LoadView load(SteadyTime now) const;
  // Who would be served before a sequence with these properties came to its turn.
  Ahead ahead_of(const SequenceRequest& newcomer) const;
  const TenantBooks& tenants() const;
  // Whether the queue could take so many more, and one, with a share of it left.
  bool has_room(const LineLoad& more, double reserve) const;
  std::optional<SteadyTime> first_due() const;  // earliest deadline or due time among the waiting
  const SchedulerLimits& limits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe
