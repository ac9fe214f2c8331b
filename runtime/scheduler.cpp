#include "runtime/scheduler.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "runtime/scheduler_state.hpp"

namespace troupe {
namespace {

Error too_long(const SequenceRequest& request, std::uint32_t positions_max) {
  const char* name = request.pooling != Pooling::kNone ? "input" : "prompt";
  std::string message = "the " + std::string(name) + " has " + std::to_string(request.prompt.size()) +
                        " tokens; this model has room for " + std::to_string(positions_max);
  if (request.generates()) message += " with at least one token of the answer";
  return {ErrorCode::kContextLengthExceeded, std::move(message), name, 0};
}

Error queue_full(const std::string& what, std::uint64_t limit) {
  return {ErrorCode::kQueueFull, "the queue is full: " + std::to_string(limit) + " " + what + " are waiting", "", 0};
}

}  // namespace

// ---- the public face: who comes, who goes, how many there are -----------------------------------------------------
Scheduler::Scheduler(SchedulerLimits limits, KvManager& kv) {
  TROUPE_CHECK(limits.sequences_max > 0 && limits.step_tokens_max > 0, "a step of nothing");
  TROUPE_CHECK(limits.steps_in_flight == 1 || limits.steps_in_flight == 2, "one or two steps in flight");
  // So every running sequence can have its token in every step.
  limits.sequences_max = std::min(limits.sequences_max, limits.step_tokens_max);
  state_ = std::make_unique<State>(limits, kv);
}

Scheduler::~Scheduler() = default;

Status Scheduler::enqueue(SequenceRequest request, SteadyTime) {
  State& s = *state_;
  if (request.prompt.empty()) return Error{ErrorCode::kInvalidRequest, "the prompt has no tokens", "prompt", 0};
  if (s.sequences.contains(request.id)) {
    return Error{ErrorCode::kInvalidRequest, "request " + std::to_string(request.id) + " is known already", "", 0};
  }
  std::uint32_t positions_max = s.positions_max();
  std::size_t prompt = request.prompt.size();
  std::size_t tokens = prompt + request.emitted.size();
  bool generates = request.generates();
  if (prompt + (generates ? 1 : 0) > positions_max || tokens > positions_max) return too_long(request, positions_max);
  if (Status room = s.has_room(request.tenant, tokens); !room) return room;

  std::uint32_t output_max = std::min(request.max_tokens, positions_max - static_cast<std::uint32_t>(prompt));
  if (!generates) output_max = 1;  // its vector, or its mere end: neither takes a position
  RequestId id = request.id;
  auto sequence = std::make_unique<Sequence>(std::move(request), output_max, s.next_number++, s.next_step);
  sequence->tenant = &s.tenants.enter(sequence->request.tenant, sequence->request.weight);
  s.start_waiting(*sequence);
  s.sequences.emplace(id, std::move(sequence));
  return {};
}

std::optional<std::uint64_t> Scheduler::drop(RequestId id) {
  auto found = state_->sequences.find(id);
  if (found == state_->sequences.end()) return std::nullopt;
  std::uint64_t last_step = found->second->last_step;
  state_->erase(*found->second);
  for (const StepInFlight& step : state_->in_flight) {
    if (step.plan->step == last_step) return last_step;
  }
  return 0;
}

bool Scheduler::has_work() const { return !state_->sequences.empty() || !state_->in_flight.empty(); }

std::uint32_t Scheduler::in_flight() const { return static_cast<std::uint32_t>(state_->in_flight.size()); }

SchedulerCounts Scheduler::counts() const {
  SchedulerCounts counts = state_->totals;
  counts.waiting = state_->waiting.size();
  counts.waiting_tokens = state_->waiting.tokens();
  counts.running = static_cast<std::uint32_t>(state_->running.size());
  for (const Sequence* sequence : state_->waiting.backwards()) {
    SteadyTime arrived = sequence->request.arrived;
    if (!counts.oldest_waiting || arrived < *counts.oldest_waiting) counts.oldest_waiting = arrived;
  }
  return counts;
}

const SchedulerLimits& Scheduler::limits() const { return state_->limits; }

// ---- moves between the lists --------------------------------------------------------------------------------------
std::uint32_t Scheduler::State::positions_max() const {
  std::uint64_t pool = std::uint64_t{kv.counts().total} * kBlockSize;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(limits.context_length, pool));
}

Sequence* Scheduler::State::find(RequestId id, std::uint64_t step) const {
  auto found = sequences.find(id);
  return found != sequences.end() && step >= found->second->first_step ? found->second.get() : nullptr;
}

// The queue is bounded in sequences and in tokens. A tenant that has less than its equal share of it is let in beyond:
// who fills the queue does not shut the others out. So its bound is twice what the limits say.
Status Scheduler::State::has_room(const std::string& tenant, std::size_t tokens) const {
  if (waiting.is_empty()) return {};  // alone in the queue a prompt is never too long for it
  const Tenant* known = tenants.find(tenant);
  std::uint32_t others = tenants.active() - (known != nullptr && known->live > 0 ? 1 : 0);
  std::uint32_t own = known == nullptr ? 0 : known->waiting;
  std::uint64_t own_tokens = known == nullptr ? 0 : known->waiting_tokens;
  if (waiting.size() >= limits.queue_max && (others == 0 || own >= limits.queue_max / (others + 1))) {
    return queue_full("requests", waiting.size());
  }
  if (waiting.tokens() + tokens > limits.queue_tokens_max &&
      (others == 0 || own_tokens + tokens > limits.queue_tokens_max / (others + 1))) {
    return queue_full("tokens", waiting.tokens());
  }
  return {};
}

void Scheduler::State::start_waiting(Sequence& sequence) {
  waiting.add(sequence);
  ++load_of(sequence).waiting;
  sequence.blocks_wanted = 0;
  if (sequence.request.deadline) next_deadline = std::min(next_deadline, *sequence.request.deadline);
}

void Scheduler::State::stop_waiting(Sequence& sequence) {
  waiting.remove(sequence);
  --load_of(sequence).waiting;
}

void Scheduler::State::start_running(Sequence& sequence) {
  auto at = std::upper_bound(running.begin(), running.end(), &sequence,
                             [](const Sequence* a, const Sequence* b) { return goes_before(*a, *b); });
  running.insert(at, &sequence);
  ++load_of(sequence).running;
  sequence.is_running = true;
  if (!sequence.has_mean()) return;
  // There is one for each: no more than sequences_max run. A step in flight may still add to it for another sequence;
  // steps come one after the other, and this one begins it anew.
  sequence.sum = free_sums.back();
  free_sums.pop_back();
}

void Scheduler::State::stop_running(Sequence& sequence) {
  running.erase(std::find(running.begin(), running.end(), &sequence));
  --load_of(sequence).running;
  sequence.is_running = false;
  if (sequence.sum != kNoIndex) free_sums.push_back(std::exchange(sequence.sum, kNoIndex));
}

// The last block first: among cached ones the beginnings of prompts, which more sequences share, live longest.
void Scheduler::State::release_blocks(Sequence& sequence) {
  for (std::size_t i = sequence.blocks.size(); i-- > 0;) kv.release(sequence.blocks[i]);
  sequence.forget_kv();
}

void Scheduler::State::give_up_blocks(Sequence& sequence) {
  for (StepInFlight& step : in_flight) {
    if (step.plan->step != sequence.last_step) continue;
    step.to_release.insert(step.to_release.end(), sequence.blocks.rbegin(), sequence.blocks.rend());
    coming_back += static_cast<std::uint32_t>(sequence.blocks.size());
    sequence.forget_kv();
    return;
  }
  release_blocks(sequence);
}

void Scheduler::State::erase(Sequence& sequence) {
  sequence.is_running ? stop_running(sequence) : stop_waiting(sequence);
  set_suspect(sequence, false);
  give_up_blocks(sequence);
  tenants.leave(*sequence.tenant);
  RequestId id = sequence.request.id;
  sequences.erase(id);
}

void Scheduler::State::set_suspect(Sequence& sequence, bool is_suspect) {
  if (sequence.is_suspect == is_suspect) return;
  sequence.is_suspect = is_suspect;
  is_suspect ? ++suspects : --suspects;
}

}  // namespace troupe
