#include "runtime/retry_line.hpp"

#include <algorithm>
#include <utility>

#include "runtime/milliseconds.hpp"

namespace troupe {
namespace {

constexpr double kLearning = 0.08;  // a habit is known after some dozen clients
constexpr double kStretch = 0.01;   // of the spacing, for each turn that found no room
constexpr double kMissesAllowed = 0.08;
constexpr double kSpacingMin = 1.05;  // what is behind cannot be mended: the line moves up a little by itself
constexpr double kSpacingMax = 1.25;
constexpr int kLookedAtMax = 1024;   // places, for one newcomer: more are near only where hardly anybody comes back
constexpr double kShareMin = 0.005;  // next to nothing is kept where nobody ever came back

}  // namespace

SteadyTime RetryLine::join(LinePlace place, double work_ms, SteadyTime earliest, SteadyTime now) {
  forget_late(now);
  if (auto found = by_key_.find(place.key); found != by_key_.end() && found->second->second.tenant == place.tenant) {
    return std::max(found->second->first, now);
  }
  SteadyTime turn = std::max(end(now), earliest);
  if (keep(std::move(place), turn, now)) end_ = turn + duration_of_ms(work_ms * spacing_ * kept_share_);
  return turn;
}

SteadyTime RetryLine::rejoin(LinePlace place, SteadyTime turn, SteadyTime now) {
  spacing_ = std::min(spacing_ + kStretch, kSpacingMax);
  keep(std::move(place), turn, now);
  return turn;
}

bool RetryLine::keep(LinePlace place, SteadyTime turn, SteadyTime now) {
  if (turn > now + kLineMax || places_.size() >= kPlacesMax || by_key_.contains(place.key)) return false;
  std::uint64_t key = place.key;
  by_key_.emplace(key, places_.emplace(turn, std::move(place)));
  return true;
}

bool RetryLine::claim(const LinePlace& place, SteadyTime now) {
  forget_late(now);
  auto found = by_key_.find(place.key);
  if (found == by_key_.end()) return false;
  Places::iterator at = found->second;
  if (at->second.tenant != place.tenant || at->first > now) return false;
  by_key_.erase(found);
  places_.erase(at);
  ++kept_total_;
  spacing_ = std::max(spacing_ - kStretch * kMissesAllowed, kSpacingMin);
  learn(true);
  return true;
}

LineLoad RetryLine::due(SteadyTime until, SteadyTime now, const std::function<bool(const LinePlace&)>& goes_first) {
  forget_late(now);
  LineLoad load;
  int looked_at = 0;
  for (auto at = places_.begin(); at != places_.end() && at->first <= until && ++looked_at <= kLookedAtMax; ++at) {
    if (!goes_first(at->second)) continue;
    load.sequences += kept_share_;
    load.tokens += kept_share_ * at->second.prompt;
  }
  return load;
}

// When all have come or lost their places nobody is waited for, however long the line was.
SteadyTime RetryLine::end(SteadyTime now) const { return places_.empty() ? now : std::max(end_, now); }

void RetryLine::forget_late(SteadyTime now) {
  while (!places_.empty() && places_.begin()->first + kPatience < now) {
    by_key_.erase(places_.begin()->second.key);
    places_.erase(places_.begin());
    ++lost_total_;
    learn(false);
  }
}

void RetryLine::learn(bool was_kept) {
  double rate = std::max(kLearning, 1 / (static_cast<double>(kept_total_ + lost_total_) + 2));  // a mean at first
  kept_share_ = std::max(kept_share_ + rate * ((was_kept ? 1.0 : 0.0) - kept_share_), kShareMin);
}

}  // namespace troupe
