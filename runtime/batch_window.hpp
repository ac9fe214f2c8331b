#pragma once
// How long an idle executor waits for company before it starts a step. Measured once, from the first waiting request;
// never spent when the batch is full, when the executor is busy anyway or when a deadline would be in danger
// (R068, R070, R083, R084). The window is fixed here; a controller that moves it has the same face.
#include <chrono>
#include <cstdint>
#include <optional>

#include "runtime/request.hpp"

namespace troupe {

// Why a batch was closed; a metric label.
enum class BatchClose : std::uint8_t { kFull, kWindow, kDeadline, kIdle, kRunning };
const char* name_of(BatchClose close);

struct BatchWindowInput {
  SteadyTime now{};
  std::optional<SteadyTime> first_waiting;   // since when somebody waits; none: nobody does
  std::optional<SteadyTime> first_deadline;  // the earliest deadline among the waiting
  std::uint32_t waiting = 0;
  std::uint32_t running = 0;                 // sequences that would be stepped in any case
  std::uint32_t room = 0;                    // sequences that could join
};

struct BatchDecision {
  std::optional<BatchClose> close;  // start the step now, for this reason
  SteadyTime ask_again{};           // otherwise: when to decide anew, at the latest
};

class BatchWindow {
 public:
  explicit BatchWindow(std::chrono::microseconds window) : window_(window) {}

  BatchDecision decide(const BatchWindowInput& input) const;
  std::chrono::microseconds window() const { return window_; }

 private:
  std::chrono::microseconds window_;
};

}  // namespace troupe
