#pragma once
// Why a batch was closed and what bounded a step: labels of metrics, words of the page.
#include <cstdint>

namespace troupe {

// Why a batch was closed.
enum class BatchClose : std::uint8_t { kFull, kWindow, kDeadline, kIdle, kRunning };
const char* name_of(BatchClose close);

// What bounded the step.
//   calm    no first token is in danger: a share of the gap's target, which keeps gaps short
//   urgent  what the deadlines of the waiting prompts ask for
//   gap     the whole target of the gap
//   solo    nobody decodes: only the first tokens yet to come mind
//   fixed   the configuration
enum class StepBound : std::uint8_t { kCalm, kUrgent, kGap, kSolo, kFixed };
const char* name_of(StepBound bound);

}  // namespace troupe
