#include "runtime/batch_window.hpp"

#include "runtime/metric_labels.hpp"

namespace troupe {

const char* name_of(BatchClose close) { return label_values(close)[static_cast<std::size_t>(close)]; }

BatchDecision BatchWindow::decide(const BatchWindowInput& input) const {
  if (input.running > 0) return {BatchClose::kRunning, {}};
  // Nobody to serve: whoever arrives asks, nobody polls (R084).
  if (input.waiting == 0 || !input.first_waiting) return {std::nullopt, SteadyTime::max()};
  if (input.waiting >= input.room) return {BatchClose::kFull, {}};
  if (window_ <= std::chrono::microseconds::zero()) return {BatchClose::kIdle, {}};

  SteadyTime end = *input.first_waiting + window_;
  if (input.now >= end) return {BatchClose::kWindow, {}};
  // In danger is a deadline that would leave less time for the work than was spent on waiting.
  if (input.first_deadline && *input.first_deadline < end + window_) return {BatchClose::kDeadline, {}};
  return {std::nullopt, end};
}

}  // namespace troupe
