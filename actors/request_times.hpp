#pragma once
// Where the time of one request goes. One stage at a time; each is measured by the clock reads at its own two ends.
#include "runtime/request.hpp"

namespace troupe {

class RequestTimes {
 public:
  explicit RequestTimes(SteadyTime arrived) : arrived_(arrived), began_(arrived) {}

  // What follows without a begin() counts for the same stage.
  void end(SteadyTime at) { times_[stage_] += at - began_, began_ = at; }
  void begin(Stage stage, SteadyTime at) { stage_ = stage, began_ = at; }

  Stage stage() const { return stage_; }
  SteadyTime arrived() const { return arrived_; }
  const StageTimes& times() const { return times_; }

 private:
  SteadyTime arrived_, began_;
  Stage stage_ = Stage::kReceive;
  StageTimes times_;
};

}  // namespace troupe
