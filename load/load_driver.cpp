#include "load/load_driver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace troupe {
namespace {
constexpr double kNever = std::numeric_limits<double>::infinity();
}

LoadDriver::LoadDriver(LoadPlan plan, const Workload& workload, CompletionClient& client, RunStatistics& statistics,
                       SteadyTime start)
    : plan_(std::move(plan)), workload_(workload), client_(client), statistics_(statistics), start_(start) {
  if (plan_.warmup_s <= 0.0) statistics_.enter(LoadPhase::kSteady, 0.0);
  if (is_open()) {
    next_arrival();
    return;
  }
  flights_.resize(plan_.concurrency);
  for (std::uint32_t user = 0; user < plan_.concurrency; ++user)
    due_.push({plan_.warmup_s * user / plan_.concurrency, user});
  arrival_s_ = kNever;
}

double LoadDriver::steady_end_s() const { return plan_.duration_s > 0.0 ? plan_.warmup_s + plan_.duration_s : kNever; }

void LoadDriver::next_arrival() {
  if (plan_.trace != nullptr)
    arrival_s_ = index_ < plan_.trace->rows.size() ? plan_.trace->rows[index_].arrival_s : kNever;
  else
    arrival_s_ = plan_.arrivals->next_s();
}

bool LoadDriver::may_send_more(double intended_s) const {
  return is_sending_ && intended_s < steady_end_s() && (plan_.requests == 0 || measured_ < plan_.requests);
}

std::optional<SteadyTime> LoadDriver::tick(SteadyTime now) {
  double now_s = seconds(now);
  advance_phase(now_s);
  send_due(now_s);
  bool is_last = is_open() && !may_send_more(arrival_s_) && (arrival_s_ == kNever || plan_.requests > 0);
  bool is_counted_out = plan_.requests > 0 && measured_ >= plan_.requests;
  if (is_sending_ && (is_last || is_counted_out)) end_sending(now_s);
  if (!is_sending_ && live_ == 0) {
    statistics_.leave(now_s);
    return std::nullopt;
  }
  double wake_s = kNever;
  if (is_sending_) wake_s = std::min({arrival_s_, now_s < plan_.warmup_s ? plan_.warmup_s : kNever, steady_end_s()});
  if (!is_sending_ && !is_cancelling_) wake_s = drain_began_s_ + plan_.drain_s;
  if (!due_.empty()) wake_s = std::min(wake_s, due_.top().at_s);
  constexpr double kLongS = 3600.0;  // answers wake earlier
  double ahead_s = std::clamp(wake_s - now_s, 0.0, kLongS);
  return now + std::chrono::ceil<SteadyTime::duration>(std::chrono::duration<double>(ahead_s));
}

void LoadDriver::advance_phase(double now_s) {
  if (statistics_.phase() == LoadPhase::kWarmup && is_sending_ && now_s >= plan_.warmup_s)
    statistics_.enter(LoadPhase::kSteady, plan_.warmup_s);
  // What was due before the end is still sent: a late generator offers no less.
  if (is_sending_ && now_s >= steady_end_s() && arrival_s_ >= steady_end_s()) end_sending(now_s);
  if (!is_sending_ && !is_cancelling_ && now_s >= drain_began_s_ + plan_.drain_s) cancel_all(now_s);
}

void LoadDriver::end_sending(double now_s) {
  is_sending_ = false;
  drain_began_s_ = now_s;
  statistics_.enter(LoadPhase::kDrain, now_s);
}

void LoadDriver::send_due(double now_s) {
  for (std::uint32_t sent = 0; sent < kSendsPerTick; ++sent) {
    bool is_arrival = arrival_s_ <= now_s && (due_.empty() || arrival_s_ <= due_.top().at_s);
    if (is_arrival) {
      if (!may_send_more(arrival_s_)) {
        arrival_s_ = kNever;
        continue;
      }
      double intended_s = arrival_s_;
      if (auto slot = free_slot()) {
        begin(*slot, intended_s, now_s);
      } else {
        bool is_measured = intended_s >= plan_.warmup_s;
        PlannedRequest planned = workload_.plan(index_++);
        statistics_.on_intended(intended_s, planned.tenant, is_measured);
        ClientEnd end{ClientEnding::kNotSent, 0, "too many requests are in flight", false, 0, 0, {}};
        statistics_.on_failed_attempt(end, is_measured);
        statistics_.on_end({intended_s, now_s, 0.0, {}, 0, 1, planned.tenant, is_measured}, end);
        measured_ += is_measured ? 1 : 0;
      }
      next_arrival();
      continue;
    }
    if (due_.empty() || due_.top().at_s > now_s) return;
    Due due = due_.top();
    due_.pop();
    if (flights_[due.slot].is_waiting)
      attempt(due.slot, now_s);
    else if (!flights_[due.slot].is_live && may_send_more(due.at_s))
      begin(due.slot, due.at_s, now_s);
  }
}

std::optional<std::uint32_t> LoadDriver::free_slot() {
  if (!free_.empty()) {
    std::uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
  }
  if (flights_.size() >= plan_.in_flight_max) return std::nullopt;
  flights_.emplace_back();
  return static_cast<std::uint32_t>(flights_.size() - 1);
}

void LoadDriver::begin(std::uint32_t slot, double intended_s, double now_s) {
  Flight& flight = flights_[slot];
  flight = Flight{};
  flight.planned = workload_.plan(index_++);
  flight.intended_s = intended_s;
  flight.is_measured = intended_s >= plan_.warmup_s;
  flight.is_live = true;
  ++live_;
  measured_ += flight.is_measured ? 1 : 0;
  statistics_.on_intended(intended_s, flight.planned.tenant, flight.is_measured);
  statistics_.on_sent(now_s - intended_s, flight.is_measured);
  attempt(slot, now_s);
}

void LoadDriver::attempt(std::uint32_t slot, double now_s) {
  Flight& flight = flights_[slot];
  flight.is_waiting = false;
  flight.attempt_s = now_s;
  flight.feel = Feel{};
  if (++flight.attempts == 2) statistics_.on_first_retry(flight.is_measured);
  client_.send(workload_.request(flight.planned, slot));
}

void LoadDriver::on_text(std::uint32_t slot, SteadyTime now) {
  Flight& flight = flights_[slot];
  double now_s = seconds(now);
  if (!flight.feel.first_token_s) {
    flight.feel.first_token_s = now_s - flight.intended_s;
  } else {
    double gap_s = now_s - flight.last_text_s;
    ++flight.feel.gaps;
    flight.feel.gaps_s += gap_s;
    if (statistics_.service_level.is_late(gap_s)) ++flight.feel.late_gaps;
    statistics_.on_gap(now_s, gap_s, flight.is_measured);
  }
  flight.last_text_s = now_s;
}

void LoadDriver::on_end(std::uint32_t slot, SteadyTime now, const ClientEnd& end) {
  Flight& flight = flights_[slot];
  double now_s = seconds(now);
  watch_connection(now_s, end);
  bool has_failed = end.ending != ClientEnding::kDone && end.ending != ClientEnding::kCancelled;
  if (has_failed) statistics_.on_failed_attempt(end, flight.is_measured);
  if (end.ending == ClientEnding::kRefused) {
    statistics_.on_refusal(now_s, now_s - flight.attempt_s, flight.is_measured);
    if (flight.attempts <= plan_.retries && !is_cancelling_) {
      flight.is_waiting = true;
      double pause_s = std::clamp(end.retry_after_s.value_or(kRetryPauseS), 0.0, kRetryAfterMaxS);
      due_.push({now_s + pause_s, slot});
      return;
    }
  }
  finish(slot, now_s, end);
}

void LoadDriver::finish(std::uint32_t slot, double now_s, const ClientEnd& end) {
  Flight& flight = flights_[slot];
  RequestRecord record{
      flight.intended_s, now_s, flight.last_text_s, flight.feel, 0, flight.attempts, flight.planned.tenant,
      flight.is_measured};
  // An answer without usage: events are the best count there is, and the prompt has the length it was built for.
  record.feel.prompt_tokens = end.has_usage ? end.prompt_tokens : flight.planned.prompt_tokens;
  record.output_tokens = end.has_usage ? end.output_tokens : flight.feel.gaps + (flight.feel.first_token_s ? 1 : 0);
  statistics_.on_end(record, end);
  flight.is_live = flight.is_waiting = false;
  --live_;
  if (is_open()) {
    free_.push_back(slot);
  } else if (is_sending_) {
    double pause_s = end.ending == ClientEnding::kDone ? plan_.think_s : std::max(plan_.think_s, kFailurePauseS);
    due_.push({now_s + pause_s, slot});
  }
}

void LoadDriver::watch_connection(double now_s, const ClientEnd& end) {
  if (end.ending != ClientEnding::kConnect) {
    failures_in_a_row_ = 0;
    return;
  }
  if (failures_in_a_row_++ == 0) first_failure_s_ = now_s;
  if (failures_in_a_row_ < kGoneFailures || now_s - first_failure_s_ < kGoneS || is_gone_) return;
  is_gone_ = true;
  if (is_sending_) end_sending(now_s);
  drain_began_s_ = -plan_.drain_s;  // the next tick cancels what runs
}

void LoadDriver::stop(SteadyTime now) {
  if (is_sending_) end_sending(seconds(now));
  cancel_all(seconds(now));
}

void LoadDriver::cancel_all(double now_s) {
  if (std::exchange(is_cancelling_, true)) return;
  for (std::uint32_t slot = 0; slot < flights_.size(); ++slot) {
    if (!flights_[slot].is_live) continue;
    if (flights_[slot].is_waiting)
      finish(slot, now_s, {ClientEnding::kRefused, 0, "", false, 0, 0, {}});
    else
      client_.cancel(slot);
  }
  while (!due_.empty()) due_.pop();
}

}  // namespace troupe
