#pragma once
// Refused clients that were told when to come back, and what is kept for them: Retry-After is a place in line, not a
// guess (D7). Places are spaced by the measured time their work takes, so each finds room when its turn comes, and a
// newcomer is not let in over those who wait. A client is known by its request; who does not come back in time loses its
// place, and as clients learn to stay away less is kept: `kept_share` is measured. No clock: time is an argument.
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "runtime/request.hpp"

namespace troupe {

// A refused request, as far as its place depends on it.
struct LinePlace {
  std::uint64_t key = 0;  // equal for a request that is sent again
  std::string tenant;
  std::int32_t priority = 0;
  double prompt = 0;  // tokens
  double output = 0;  // tokens, expected
};

// What those in line are expected to bring.
struct LineLoad {
  double sequences = 0;
  double tokens = 0;  // of prompts
};

class RetryLine {
 public:
  // A place at the end of the line, for work of `work_ms`, no earlier than `earliest`; the place it has already when it
  // has one. Returns when its turn is. Beyond kLineMax from now, or when kPlacesMax are taken, nothing is kept.
  SteadyTime join(LinePlace place, double work_ms, SteadyTime earliest, SteadyTime now);
  // Its turn came, and there was no room after all: a new one at `turn`, before those further back.
  SteadyTime rejoin(LinePlace place, SteadyTime turn, SteadyTime now);

  // A request came that may have a place. True: its turn is here, the place is taken off the line.
  bool claim(const LinePlace& place, SteadyTime now);

  // What those whose turn comes until `until` bring, if `goes_first` says they would be served before who asks.
  LineLoad due(SteadyTime until, SteadyTime now, const std::function<bool(const LinePlace&)>& goes_first);

  SteadyTime end(SteadyTime now) const;                     // where the next one would stand
  double kept_share() const { return kept_share_; }         // of the places: claimed in time
  std::size_t size() const { return places_.size(); }
  std::uint64_t kept_total() const { return kept_total_; }  // claimed in time
  std::uint64_t lost_total() const { return lost_total_; }  // nobody came

  static constexpr std::chrono::seconds kLineMax{3600};  // further ahead nobody knows what will be
  static constexpr std::size_t kPlacesMax = 16384;
  static constexpr std::chrono::milliseconds kPatience{2500};  // whole seconds are told, and networks take their time

 private:
  using Places = std::multimap<SteadyTime, LinePlace>;
  bool keep(LinePlace place, SteadyTime turn, SteadyTime now);
  void forget_late(SteadyTime now);
  void learn(bool was_kept);

  Places places_;  // by turn
  std::unordered_map<std::uint64_t, Places::iterator> by_key_;
  SteadyTime end_{};
  double kept_share_ = 0.5;  // nothing is known yet
  double spacing_ = 1.05;    // of turns, in times of the work before them
  std::uint64_t kept_total_ = 0;
  std::uint64_t lost_total_ = 0;
};

}  // namespace troupe
