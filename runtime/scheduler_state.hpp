#pragma once
// What the parts of the scheduler share; included by scheduler*.cpp only.
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/plan_pool.hpp"
#include "runtime/scheduler.hpp"
#include "runtime/sequence.hpp"

namespace troupe {

// A step whose result has not come back.
struct StepInFlight {
  std::shared_ptr<const StepPlan> plan;
  std::vector<BlockId> to_release;  // blocks that were given up since, of sequences with a row in it
};

struct Scheduler::State {
  State(SchedulerLimits its_limits, KvManager& its_kv) : limits(its_limits), kv(its_kv) {
    in_flight.reserve(limits.steps_in_flight);
  }

  SchedulerLimits limits;
  KvManager& kv;
  std::unordered_map<RequestId, std::unique_ptr<Sequence>> sequences;
  std::vector<Sequence*> waiting;  // who goes first stands last
  std::vector<Sequence*> running;  // who goes first stands first
  std::vector<StepInFlight> in_flight;
  PlanPool plans;
  std::uint64_t next_step = 1;
  std::uint64_t next_number = 0;
  std::uint64_t waiting_tokens = 0;
  std::uint32_t suspects = 0;
  std::uint32_t coming_back = 0;                 // blocks in the lists of in_flight
  SteadyTime next_deadline = SteadyTime::max();  // no waiting sequence has an earlier one
  SchedulerCounts totals;                        // the *_total fields

  // ---- scheduler.cpp
  std::uint32_t positions_max() const;  // of one sequence: by context and by the whole KV pool
  std::uint32_t blocks_available() const { return kv.counts().free + kv.counts().cached; }
  Sequence* find(RequestId id, std::uint64_t step) const;  // who had this id when the step was planned
  void start_waiting(Sequence& sequence);
  void stop_waiting(Sequence& sequence);
  void start_running(Sequence& sequence);
  void stop_running(Sequence& sequence);
  void give_up_blocks(Sequence& sequence);  // now, or when the last step with a row of it has come back
  void release_blocks(Sequence& sequence);  // now
  void erase(Sequence& sequence);           // it has ended
  void set_suspect(Sequence& sequence, bool is_suspect);

  // ---- scheduler_plan.cpp
  void fail_overdue(SteadyTime now, std::vector<SequenceEvent>& events);
  void finish_complete(SteadyTime now, std::vector<SequenceEvent>& events);
  bool admit(Sequence& sequence);  // waiting -> running with all blocks for its tokens and one more
  bool grow(Sequence& sequence);   // a block for its next position, by preemption when there is no other
  Sequence* next_suspect();        // running, or admitted now

  // ---- scheduler_apply.cpp
  void apply_row(std::uint64_t step, const StepRow& row, const RowResult* result, std::span<const TopToken> top,
                 SteadyTime now, std::vector<SequenceEvent>& events);
  void commit(Sequence& sequence, std::uint32_t computed);  // K/V up to there are written
  void take_token(Sequence& sequence, const RowResult& result, std::span<const TopToken> top, SteadyTime now,
                  std::vector<SequenceEvent>& events);
  void release_given_up(StepInFlight& step);

  // ---- scheduler_apply.cpp: the ends of a sequence
  void fail(Sequence& sequence, ErrorCode code, std::string message, SteadyTime now,
            std::vector<SequenceEvent>& events);
  void finish(Sequence& sequence, FinishReason reason, SteadyTime now, std::vector<SequenceEvent>& events);
};

}  // namespace troupe
