#include "runtime/batcher.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "runtime/milliseconds.hpp"

namespace troupe {
namespace {

constexpr double kLateGapsAllowed = 0.01;  // share of a request's gaps
constexpr double kToldMs = 1000;           // Retry-After counts in seconds: the nearest turn there is
constexpr double kQueueReserve = 0.125;  // of the queue, while somebody is told to come back: turns are not met exactly
constexpr double kHoldMinMs = 1e-3;      // a shorter one is none: clocks are rounded, and time must pass
constexpr double kRateMin = 0.01;        // tokens per ms, where none was measured

BatchWindowOptions within(BatchWindowOptions window, const SchedulerLimits& limits) {
  window.sequences_max = limits.sequences_max;
  window.step_tokens_max = limits.step_tokens_max;
  return window;
}

SchedulerLimits with_promises(SchedulerLimits limits, const Slo& slo) {
  limits.postpones_late = slo.promises_first_token();
  return limits;
}

std::uint32_t whole_seconds(SteadyTime::duration time) {
  double seconds = std::ceil(std::chrono::duration<double>(time).count());
  return static_cast<std::uint32_t>(
      std::clamp(seconds, 1.0, std::chrono::duration<double>(RetryLine::kLineMax).count()));
}

// Two requests have one key when they are one request sent twice.
LinePlace place_of(const SequenceRequest& sequence, double mean_output) {
  std::string_view bytes(reinterpret_cast<const char*>(sequence.prompt.data()),
                         sequence.prompt.size() * sizeof(TokenId));
  constexpr std::uint64_t kOdd = 0x9E3779B97F4A7C15U;
  LinePlace place;
  place.key = (std::hash<std::string_view>{}(bytes)*kOdd + sequence.max_tokens) * kOdd + sequence.choice;
  place.key = place.key * kOdd + static_cast<std::uint32_t>(sequence.pooling);
  place.key = place.key * kOdd + static_cast<std::uint32_t>(sequence.prompt_logprobs);
  place.tenant = sequence.tenant;
  place.priority = sequence.priority;
  place.prompt = static_cast<double>(sequence.prompt.size());
  place.output = std::min(mean_output, static_cast<double>(sequence.max_tokens));
  return place;
}

std::string ms_text(double ms) { return std::to_string(std::llround(ms)) + " ms"; }

}  // namespace

StepShape shape_of(const StepPlan& plan) {
  StepShape shape;
  for (const StepRow& row : plan.rows) shape.add(row.position, row.tokens.count);
  return shape;
}

Batcher::Batcher(BatcherOptions options)
    : kv_(options.kv_blocks, options.prefix_cache),
      scheduler_(with_promises(options.limits, options.slo), kv_),
      window_(options.slo, within(options.window, scheduler_.limits())),
      admission_(window_) {}

// ---- who comes and goes -------------------------------------------------------------------------------------------
Status Batcher::enqueue(SequenceRequest sequence, SteadyTime now) {
  auto prompt = static_cast<double>(sequence.prompt.size());
  Ticket ticket;
  ticket.prompt = prompt;
  ticket.generates = sequence.generates();
  ticket.arrived = sequence.arrived;
  ticket.allowed_ms = window_.allowance_ms(prompt);
  ticket.is_feasible = window_.is_feasible(prompt);
  sequence.due = sequence.arrived + duration_of_ms(ticket.allowed_ms);
  bool is_new = sequence.emitted.empty();  // one that has tokens was promised its answer already
  observe_arrival(prompt, now);
  RequestId id = sequence.id;
  if (!is_new) {
    ticket.last_token = now;  // its first token is out, its next gap begins here
    if (Status status = scheduler_.enqueue(std::move(sequence), now); !status) return status;
    tickets_.emplace(id, ticket);
    return {};
  }
  LinePlace place = place_of(sequence, window_.mean_output());
  bool was_promised = retry_line_.claim(place, now);
  LineLoad kept = was_promised ? LineLoad{} : kept_for_others(sequence, ticket.allowed_ms, now);
  Status status = judge(sequence, ticket, kept, now);
  if (status) status = scheduler_.enqueue(std::move(sequence), now);
  if (!status) {
    if (status.error().code != ErrorCode::kQueueFull) return status;
    return told_when(status.error(), place, ticket.excess_ms, was_promised, now);
  }
  tickets_.emplace(id, ticket);
  return {};
}

// Whether the first token can be in time: refused before it costs anything, rather than served too late.
Status Batcher::judge(const SequenceRequest& sequence, Ticket& ticket, const LineLoad& kept, SteadyTime now) {
  if (kept.sequences > 0 && !scheduler_.has_room(kept, kQueueReserve * retry_line_.kept_share())) {
    return Error{ErrorCode::kQueueFull, "the places in the queue are kept for requests that were told to come back now",
                 "", 0};
  }
  if (window_.model().samples() == 0) return {};  // nothing is known yet
  LoadView load = scheduler_.load(now);
  Ahead ahead = scheduler_.ahead_of(sequence);
  ahead.tokens += kept.tokens;
  ahead.sequences += kept.sequences;
  ticket.predicted_ms = admission_.predict_ms(load, ticket.prompt, ahead);
  if (sequence.deadline) {
    double left_ms = ms_between(now, *sequence.deadline);
    if (ticket.predicted_ms > left_ms && !admission_.is_attainable(load, ticket.prompt, left_ms)) {
      return Error{ErrorCode::kDeadlineExceeded,
                   "the request's deadline is " + ms_text(std::max(left_ms, 0.0)) +
                       " away and its first token is predicted in " + ms_text(ticket.predicted_ms),
                   "timeout_ms",
                   whole_seconds(duration_of_ms(admission_.excess_ms(ticket.prompt, ticket.predicted_ms, left_ms)))};
    }
  }
  double left_ms = ms_between(now, sequence.due);
  if (admission_.admits(load, ticket.prompt, ahead, ticket.predicted_ms, left_ms)) return {};
  ticket.excess_ms = admission_.excess_ms(ticket.prompt, ticket.predicted_ms, left_ms);
  admission_.observe_refused(ticket.prompt);
  ++refused_total_;
  return Error{ErrorCode::kQueueFull,
               "the first token is predicted in " + ms_text(ticket.predicted_ms) + "; " + ms_text(ticket.allowed_ms) +
                   " are promised for a prompt of " + std::to_string(sequence.prompt.size()) + " tokens",
               "", 0};
}

// What those bring who were told to come back before this one's first token, and go before it.
LineLoad Batcher::kept_for_others(const SequenceRequest& sequence, double allowed_ms, SteadyTime now) {
  if (retry_line_.size() == 0) return {};
  const TenantBooks& tenants = scheduler_.tenants();
  double least = tenants.least_served();
  double rank = tenants.rank(sequence.tenant, least);
  double kept_ms = window_.slo().promises_first_token() ? allowed_ms : kToldMs;
  return retry_line_.due(now + duration_of_ms(kept_ms), now, [&](const LinePlace& place) {
    if (place.priority != sequence.priority) return place.priority > sequence.priority;
    return place.tenant == sequence.tenant || tenants.rank(place.tenant, least) <= rank;
  });
}

Error Batcher::told_when(Error error, const LinePlace& place, double excess_ms, bool was_promised, SteadyTime now) {
  double tokens_per_ms = std::max(drain_rate_.tokens_per_second(now) / 1000, kRateMin);
  double work_ms = (place.prompt + place.output) / tokens_per_ms;
  SteadyTime earliest = now + duration_of_ms(std::max(excess_ms, kToldMs));
  SteadyTime turn =
      was_promised ? retry_line_.rejoin(place, earliest, now) : retry_line_.join(place, work_ms, earliest, now);
  error.retry_after_s = whole_seconds(turn - now);
  return error;
}

void Batcher::observe_arrival(double prompt, SteadyTime now) {
  bool found_idle = !scheduler_.has_work();
  if (last_arrival_) {
    double gap_ms = ms_between(*last_arrival_, now);
    admission_.observe_arrival(prompt, gap_ms);
    window_.observe_arrival_gap(gap_ms, last_found_idle_);
  }
  last_arrival_ = now;
  last_found_idle_ = found_idle;
}

void Batcher::drop(RequestId id, std::optional<SteadyTime> asked, SteadyTime now) {
  std::optional<std::uint64_t> step = scheduler_.drop(id);
  tickets_.erase(id);
  if (!step || !asked) return;
  if (*step == 0) {
    frees_.push_back(now - *asked);
  } else {
    freeing_.push_back({*step, *asked});
  }
}

// ---- steps --------------------------------------------------------------------------------------------------------
std::optional<Batcher::Step> Batcher::next_step(SteadyTime now) {
  wake_at_.reset();
  if (scheduler_.in_flight() >= scheduler_.limits().steps_in_flight) return std::nullopt;
  std::optional<BatchClose> close = may_start(now);
  if (!close) return std::nullopt;
  window_.plan(scheduler_.load(now));
  std::size_t from = events_.size();
  std::shared_ptr<const StepPlan> plan = scheduler_.plan(now, window_, events_);
  take_news(from);
  if (!plan) return std::nullopt;
  auto positions = static_cast<std::uint32_t>(plan->tokens.size());
  flights_.push_back({plan->step, shape_of(*plan), positions, now});
  return Step{std::move(plan), *close};
}

// Why a step may start now; nothing: there is no work, or company is waited for. The window is measured from the first
// waiting request and never spent when the batch is full, the executor is busy anyway or a deadline is in danger.
std::optional<BatchClose> Batcher::may_start(SteadyTime now) {
  if (scheduler_.in_flight() > 0) return BatchClose::kRunning;
  if (!scheduler_.has_work()) return std::nullopt;  // whoever arrives asks, nobody polls
  SchedulerCounts counts = scheduler_.counts();
  if (counts.running > 0) return BatchClose::kRunning;
  if (counts.waiting >= scheduler_.limits().sequences_max) return BatchClose::kFull;
  if (is_draining_ || !counts.oldest_waiting) return BatchClose::kIdle;

  auto tokens = static_cast<double>(counts.waiting_tokens);
  double held_ms = ms_between(*counts.oldest_waiting, now);
  double since_ms = last_arrival_ ? ms_between(*last_arrival_, now) : held_ms;
  double hold_ms = window_.hold_ms(counts.waiting, tokens, since_ms, held_ms);
  if (!(hold_ms > kHoldMinMs))
    return held_ms >= window_.options().window_max_ms && held_ms > 0 && window_.options().window_max_ms > 0
               ? BatchClose::kWindow
               : BatchClose::kIdle;
  // In danger is who would have less time for the work than is spent on waiting.
  SteadyTime end = now + duration_of_ms(hold_ms);
  if (auto due = scheduler_.first_due(); due && *due < end + (end - now)) return BatchClose::kDeadline;
  wake_at_ = end;
  return std::nullopt;
}

bool Batcher::step_done(const StepResult& result, SteadyTime now) {
  if (flights_.empty() || result.step != flights_.front().step) return false;
  Flight flight = flights_.front();
  flights_.pop_front();
  SteadyTime began = last_done_ ? std::max(flight.sent, *last_done_) : flight.sent;
  last_done_ = now;
  last_step_ = now - began;
  drain_rate_.completed(flight.positions, now);

  std::size_t from = events_.size();
  scheduler_.apply(result, now, events_);
  Gaps gaps = take_news(from);
  window_.observe_step(flight.shape, ms_between(began, now), gaps.all, gaps.late);
  note_frees(flight.step, now);
  return true;
}

void Batcher::executor_lost(SteadyTime now) {
  flights_.clear();
  std::size_t from = events_.size();
  scheduler_.executor_lost(now, events_);  // without a step in flight it loses nothing
  take_news(from);
  note_frees(UINT64_MAX, now);
}

// ---- what is learnt -----------------------------------------------------------------------------------------------
Batcher::Gaps Batcher::take_news(std::size_t from) {
  Gaps gaps;
  for (std::size_t i = from; i < events_.size(); ++i) {
    const SequenceEvent& event = events_[i];
    auto found = tickets_.find(event.id);
    if (found == tickets_.end()) continue;
    switch (event.kind) {
      case SequenceEvent::Kind::kScheduled:
      case SequenceEvent::Kind::kScored:
        break;
      case SequenceEvent::Kind::kToken:
        note_token(found->second, event.at, gaps);
        break;
      case SequenceEvent::Kind::kFinished:
        if (!found->second.generates) note_first(found->second, event.at);
        note_finish(found->second);
        tickets_.erase(found);
        break;
      case SequenceEvent::Kind::kFailed:
        tickets_.erase(found);
        break;
    }
  }
  return gaps;
}

void Batcher::note_token(Ticket& ticket, SteadyTime at, Gaps& gaps) {
  ++ticket.tokens;
  if (ticket.last_token) {
    bool is_late = ms_between(*ticket.last_token, at) > window_.slo().gap_ms();
    ++gaps.all, ++ticket.gaps;
    if (is_late) ++gaps.late, ++ticket.late_gaps;
  } else {
    note_first(ticket, at);
  }
  ticket.last_token = at;
}

// An embedding's vector, or the last score of a prompt, is out when another request's first token would be.
void Batcher::note_first(Ticket& ticket, SteadyTime at) {
  ticket.first_token_ms = ms_between(ticket.arrived, at);
  admission_.observe_first_token(ticket.prompt, ticket.predicted_ms, ticket.first_token_ms, ticket.allowed_ms);
}

void Batcher::note_finish(const Ticket& ticket) {
  window_.observe_finish(ticket.prompt, ticket.tokens);
  if (!ticket.is_feasible) ++goodput_.infeasible;
  if (ticket.first_token_ms > window_.slo().first_token_ms(ticket.prompt)) {
    ++goodput_.late_first_token;
  } else if (ticket.late_gaps > kLateGapsAllowed * ticket.gaps) {
    ++goodput_.late_gaps;
  } else {
    ++goodput_.good_requests;
    goodput_.good_tokens += ticket.tokens;
  }
}

void Batcher::note_frees(std::uint64_t step, SteadyTime now) {
  std::erase_if(freeing_, [&](const Freeing& one) {
    if (one.step > step) return false;
    frees_.push_back(now - one.asked);
    return true;
  });
}

std::uint32_t Batcher::retry_after_s(SteadyTime now) const { return whole_seconds(retry_line_.end(now) - now); }

}  // namespace troupe
