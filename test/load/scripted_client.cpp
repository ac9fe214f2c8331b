#include "test/load/scripted_client.hpp"

#include <algorithm>
#include <cmath>

namespace troupe::test {
namespace {
constexpr double kTooLong = 1e6;  // seconds of virtual time: a run that does not end
}

SteadyTime ScriptedClient::at(double seconds) {
  return SteadyTime{} + std::chrono::round<SteadyTime::duration>(std::chrono::duration<double>(seconds));
}

void ScriptedClient::send(ClientRequest request) {
  ScriptedAnswer answer = script_(now_s_, request);
  for (double text : answer.texts) events_.emplace(now_s_ + text, Event{request.slot, false, {}});
  events_.emplace(now_s_ + answer.end, Event{request.slot, true, answer.how});
  in_flight_most = std::max(in_flight_most, ++in_flight_);
  sent.push_back({now_s_, std::move(request)});
}

void ScriptedClient::cancel(std::uint32_t slot) {
  std::erase_if(events_, [&](const auto& event) { return event.second.slot == slot; });
  events_.emplace(now_s_, Event{slot, true, {ClientEnding::kCancelled, 0, "", false, 0, 0, {}}});
}

double ScriptedClient::play(LoadDriver& driver, double late_s) {
  for (;;) {
    if (on_step) on_step(now_s_);
    auto wake = driver.tick(at(now_s_));
    if (!wake) return now_s_;
    double wake_s = std::max(now_s_, std::chrono::duration<double>(*wake - SteadyTime{}).count());
    if (wake_s > now_s_) wake_s += late_s;
    if (events_.empty() || events_.begin()->first > wake_s) {
      now_s_ = wake_s;
      if (now_s_ > kTooLong) return now_s_;
      continue;
    }
    now_s_ = std::max(now_s_, events_.begin()->first);
    Event event = events_.begin()->second;
    events_.erase(events_.begin());
    if (!event.is_end) {
      driver.on_text(event.slot, at(now_s_));
    } else {
      --in_flight_;
      driver.on_end(event.slot, at(now_s_), event.how);
    }
  }
}

}  // namespace troupe::test
