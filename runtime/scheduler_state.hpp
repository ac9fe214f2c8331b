#pragma once
// What the parts of the scheduler share; included by scheduler*.cpp only.
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/class_floor.hpp"
#include "runtime/plan_pool.hpp"
#include "runtime/scheduler.hpp"
#include "runtime/sequence.hpp"
#include "runtime/waiting_line.hpp"

namespace troupe {

constexpr int kPostponement = 3;  // a late sequence's new due time, in its allowances from now

// A step whose result has not come back.
struct StepInFlight {
  std::shared_ptr<const StepPlan> plan;
  std::vector<BlockId> to_release;  // blocks that were given up since, of sequences with a row in it
};

struct Scheduler::State {
  State(SchedulerLimits its_limits, KvManager& its_kv) : limits(its_limits), kv(its_kv) {
    in_flight.reserve(limits.steps_in_flight);
    for (std::uint32_t sum = limits.sequences_max; sum-- > 0;) free_sums.push_back(sum);
  }

  SchedulerLimits limits;
  KvManager& kv;
  std::unordered_map<RequestId, std::unique_ptr<Sequence>> sequences;
  TenantBooks tenants;
  WaitingLine waiting;
  std::vector<Sequence*> running;  // who goes first stands first
  std::vector<StepInFlight> in_flight;
  PlanPool plans;
  std::uint64_t next_step = 1;
  std::uint64_t next_number = 0;
  ClassFloor floor;
  std::vector<Sequence*> prompts;                // scratch of plan()
  std::vector<std::uint32_t> free_sums;          // running sums of the executor that no running sequence has
  std::uint32_t suspects = 0;
  std::uint32_t coming_back = 0;                 // blocks in the lists of in_flight
  SteadyTime next_deadline = SteadyTime::max();  // no waiting sequence has an earlier one
  SchedulerCounts totals;                        // the *_total fields, and by tenant class

  // ---- scheduler.cpp
  std::uint32_t positions_max() const;  // of one sequence: by context and by the whole KV pool
  std::uint32_t blocks_available() const { return kv.counts().free + kv.counts().cached; }
  Sequence* find(RequestId id, std::uint64_t step) const;  // who had this id when the step was planned
  Status has_room(const std::string& tenant, std::size_t tokens) const;
  TenantLoad& load_of(const Sequence& sequence) { return totals.tenants[index_of(sequence.request.tenant_class)]; }
  void start_waiting(Sequence& sequence);
  void stop_waiting(Sequence& sequence);
  void start_running(Sequence& sequence);
  void stop_running(Sequence& sequence);
  void give_up_blocks(Sequence& sequence);  // now, or when the last step with a row of it has come back
  void release_blocks(Sequence& sequence);  // now
  void erase(Sequence& sequence);           // it has ended
  void set_suspect(Sequence& sequence, bool is_suspect);

  // ---- scheduler_plan.cpp
  struct Draft;  // a step while it is put together
  void add_decodes(Draft& draft);
  void add_prompts(Draft& draft);
  void add_starved(Draft& draft);
  bool add_chunk(Draft& draft, Sequence& sequence, std::uint32_t limit);
  Sequence* next_waiting(Draft& draft);
  bool is_hopeless(Draft& draft, Sequence& sequence);
  void book_floor(const Draft& draft);
  void fail_overdue(SteadyTime now, std::vector<SequenceEvent>& events);
  void finish_complete(SteadyTime now, std::vector<SequenceEvent>& events);
  bool admit(Sequence& sequence);  // waiting -> running with all blocks for its tokens and one more
  bool grow(Sequence& sequence);   // a block for its next position, by preemption when there is no other
  Sequence* next_suspect();        // running, or admitted now

  // ---- scheduler_apply.cpp
  void apply_row(const StepResult& answer, const StepRow& row, const RowResult* result, SteadyTime now,
                 std::vector<SequenceEvent>& events);
  void charge(Sequence& sequence, std::uint32_t computed, bool sampled);
  void commit(Sequence& sequence, std::uint32_t computed);  // K/V up to there are written
  void take_token(Sequence& sequence, const RowResult& result, std::span<const TopToken> top, SteadyTime now,
                  std::vector<SequenceEvent>& events);
  bool take_scores(Sequence& sequence, const StepRow& row, const RowResult& result, const StepResult& answer,
                   SteadyTime now, std::vector<SequenceEvent>& events);
  void take_vector(Sequence& sequence, const RowResult& result, std::span<const float> values, SteadyTime now,
                   std::vector<SequenceEvent>& events);
  void release_given_up(StepInFlight& step);

  // ---- scheduler_apply.cpp: the ends of a sequence
  void fail(Sequence& sequence, ErrorCode code, std::string message, SteadyTime now,
            std::vector<SequenceEvent>& events);
  void finish(Sequence& sequence, FinishReason reason, SteadyTime now, std::vector<SequenceEvent>& events);
};

}  // namespace troupe
