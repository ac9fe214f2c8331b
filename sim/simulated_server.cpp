#include "sim/simulated_server.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace troupe {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kStartMs = 1e6;  // the clock of a process does not start at 0

}  // namespace

SimulatedServer::SimulatedServer(BatcherOptions options, StepTime step_time, Watcher watcher)
    : batcher_(options), step_time_(std::move(step_time)), watcher_(std::move(watcher)) {
  // The queue, twice for tenants with less than their share, and those that were preempted.
  queue_bound_ = 2 * options.limits.queue_max + options.limits.sequences_max;
}

SteadyTime SimulatedServer::at(double ms) {
  return SteadyTime(std::chrono::nanoseconds(std::llround((kStartMs + ms) * 1e6)));
}

// ---- what happens -------------------------------------------------------------------------------------------------
void SimulatedServer::arrive(const SimulatedRequest& request, double now_ms) {
  SequenceRequest sequence;
  sequence.id = request.id;
  // No two prompts share a block.
  sequence.prompt.assign(request.prompt_tokens, static_cast<TokenId>(request.id % 1'000'000));
  sequence.max_tokens = std::max(request.output_tokens, 1U);
  sequence.sampling.seed = request.id;
  sequence.tenant = sequence.cache_key = request.tenant;
  sequence.priority = request.priority;
  sequence.arrived = at(now_ms);
  if (request.timeout_ms) sequence.deadline = at(now_ms + *request.timeout_ms);
  Status status = batcher_.enqueue(std::move(sequence), at(now_ms));
  mix_in(request.id), mix_in(status.ok() ? 1 : 2);
  if (status.ok()) {
    std::uint32_t room =
        std::min(batcher_.scheduler().limits().context_length, batcher_.kv().counts().total * kBlockSize);
    live_[request.id] = {std::min(request.output_tokens, room - request.prompt_tokens), 0};
    watcher_({Seen::Kind::kAccepted, request.id, now_ms, nullptr});
  } else {
    watcher_({Seen::Kind::kRefused, request.id, now_ms, &status.error()});
  }
  start_steps(now_ms);
}

void SimulatedServer::cancel(RequestId id, double now_ms) {
  live_.erase(id);
  batcher_.drop(id, at(now_ms), at(now_ms));
  start_steps(now_ms);
}

void SimulatedServer::kill_executor(double now_ms) {
  flights_.clear();
  batcher_.executor_lost(at(now_ms));
  start_steps(now_ms);
}

double SimulatedServer::next_event_ms() const {
  double next = flights_.empty() ? kNever : flights_.front().back_ms;
  if (auto wake = batcher_.wake_at()) {
    next = std::min(next, std::chrono::duration<double, std::milli>(wake->time_since_epoch()).count() - kStartMs);
  }
  return next;
}

void SimulatedServer::advance(double now_ms) {
  if (!flights_.empty() && flights_.front().back_ms <= now_ms) {
    Flight flight = std::move(flights_.front());
    flights_.pop_front();
    if (!batcher_.step_done(result_of(*flight.plan), at(now_ms))) breaks("a step's result was not waited for", now_ms);
  }
  start_steps(now_ms);
}

// The device works on before anybody hears the news, as in the actor.
void SimulatedServer::start_steps(double now_ms) {
  while (auto step = batcher_.next_step(at(now_ms))) {
    for (const StepRow& row : step->plan->rows) mix_in(row.sequence), mix_in(row.position), mix_in(row.tokens.count);
    double ms = step_time_(shape_of(*step->plan), now_ms);
    double begins = std::max(now_ms, last_back_ms_);
    last_back_ms_ = ms < kNever ? begins + ms : now_ms;
    busy_ms_ += ms < kNever ? ms : 0;
    flights_.push_back({std::move(step->plan), begins + ms});
    ++steps_;
  }
  deliver(now_ms);
  check(now_ms);
}

StepResult SimulatedServer::result_of(const StepPlan& plan) const {
  StepResult result;
  result.step = plan.step;
  for (const StepRow& row : plan.rows) {
    RowResult& out = result.rows.emplace_back();
    out.sequence = row.sequence;
    out.outcome = row.sampling == kNoIndex ? RowOutcome::kNoToken : RowOutcome::kSampled;
    out.token = 1;
  }
  return result;
}

void SimulatedServer::deliver(double now_ms) {
  for (SequenceEvent& event : batcher_.events()) {
    mix_in(event.id), mix_in(static_cast<std::uint64_t>(event.kind));
    auto found = live_.find(event.id);
    if (found == live_.end()) {
      breaks("contract 1: news of a request that has ended", now_ms);
      continue;
    }
    Live& live = found->second;
    switch (event.kind) {
      case SequenceEvent::Kind::kScheduled:
      case SequenceEvent::Kind::kScored:
        break;
      case SequenceEvent::Kind::kToken:
        if (++live.tokens > live.output_tokens) breaks("contract 1: a token too many", now_ms);
        watcher_({Seen::Kind::kToken, event.id, now_ms, nullptr});
        break;
      case SequenceEvent::Kind::kFinished:
        if (live.tokens != live.output_tokens) breaks("contract 1: finished without all its tokens", now_ms);
        live_.erase(found);
        watcher_({Seen::Kind::kFinished, event.id, now_ms, nullptr});
        break;
      case SequenceEvent::Kind::kFailed:
        live_.erase(found);
        watcher_({Seen::Kind::kFailed, event.id, now_ms, &event.error});
        break;
    }
  }
  batcher_.events().clear();
  batcher_.frees().clear();
}

// ---- what must hold -----------------------------------------------------------------------------------------------
void SimulatedServer::check(double now_ms) {
  KvManager::Counts blocks = batcher_.kv().counts();
  if (blocks.free + blocks.cached + blocks.referenced != blocks.total)
    breaks("contract 3: blocks do not add up", now_ms);
  SchedulerCounts counts = batcher_.scheduler().counts();
  if (counts.waiting > queue_bound_) breaks("contract 4: the queue grew beyond its bound", now_ms);
  if (batcher_.retry_line().size() > RetryLine::kPlacesMax)
    breaks("contract 4: the line grew beyond its bound", now_ms);
  if (counts.waiting + counts.running != live_.size()) breaks("contract 1: a request was forgotten", now_ms);
  bool can_go_on = !flights_.empty() || batcher_.wake_at().has_value();
  if (!live_.empty() && !can_go_on) breaks("there is work, and nothing will happen", now_ms);
}

void SimulatedServer::finish() {
  if (!live_.empty()) breaks("contract 1: requests without an end", last_back_ms_);
  if (batcher_.kv().counts().referenced != 0)
    breaks("contract 3: blocks are in use and nobody is there", last_back_ms_);
}

void SimulatedServer::breaks(const std::string& contract, double now_ms) {
  if (!broken_) broken_ = contract + " (at " + std::to_string(now_ms) + " ms, step " + std::to_string(steps_) + ")";
}

void SimulatedServer::mix_in(std::uint64_t value) {
  for (int byte = 0; byte < 8; ++byte) hash_ = (hash_ ^ ((value >> (8 * byte)) & 0xFF)) * 0x100000001B3U;
}

}  // namespace troupe
