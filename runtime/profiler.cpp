#include "runtime/profiler.hpp"

#include <string>
#include <utility>

namespace troupe {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::uint32_t seconds_up(SteadyClock::duration time) {
  return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

}  // namespace

Status Profiler::start(std::uint32_t steps, Done done) {
  if (steps < 1 || steps > kStepsMax)
    return Error{ErrorCode::kInvalidRequest,
                 "steps is " + std::to_string(steps) + " (1 to " + std::to_string(kStepsMax) + ")", "steps", 0};
  std::unique_lock lock(mutex_);
  auto now = SteadyClock::now();
  if (done_ && now - profile_.begin < kPatience)
    return Error{ErrorCode::kRateLimited,
                 "a profile is being gathered: " + std::to_string(profile_.steps) + " of " +
                     std::to_string(steps_wanted_) + " steps",
                 "", seconds_up(kPatience - (now - profile_.begin))};
  if (!done_ && ended_ != SteadyClock::time_point{} && now - ended_ < kPause)
    return Error{ErrorCode::kRateLimited, "a profile ended a moment ago", "", seconds_up(kPause - (now - ended_))};
  Done last = std::exchange(done_, std::move(done));
  Profile left = std::exchange(profile_, Profile{});
  steps_wanted_ = steps;
  profile_.spans.reserve(kSpansMax);
  profile_.begin = SteadyClock::now();
  on_.store(true, std::memory_order_release);
  lock.unlock();
  left.end = now;
  if (last) last(std::move(left));
  return {};
}

void Profiler::close() {
  std::unique_lock lock(mutex_);
  if (done_) finish(std::move(lock), Error{ErrorCode::kShuttingDown, "the server is shutting down", "", 1});
}

void Profiler::add(const ProfileSpan& span) {
  std::lock_guard lock(mutex_);
  if (!done_) return;
  if (profile_.spans.size() < kSpansMax)
    profile_.spans.push_back(span);
  else
    ++profile_.spans_dropped;
}

void Profiler::step_done() {
  std::unique_lock lock(mutex_);
  if (!done_ || ++profile_.steps < steps_wanted_) return;
  profile_.end = SteadyClock::now();
  Profile whole = std::exchange(profile_, Profile{});
  finish(std::move(lock), std::move(whole));
}

void Profiler::finish(std::unique_lock<std::mutex> lock, Result<Profile> result) {
  on_.store(false, std::memory_order_release);
  ended_ = SteadyClock::now();
  Done done = std::exchange(done_, nullptr);
  lock.unlock();
  done(std::move(result));
}

}  // namespace troupe
