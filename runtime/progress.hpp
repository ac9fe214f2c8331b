#pragma once
// Which stages have work and when each last got on with it: readiness is progress, not a process that answers (D12).
// Stages write from their own threads, a reader asks from any; all of it is relaxed atomics.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/request.hpp"

namespace troupe {

enum class ProgressStage : std::uint8_t { kText, kCache, kBatcher, kExecutor };
inline constexpr std::size_t kProgressStageCount = 4;
const char* name_of(ProgressStage stage);

class Progress {
 public:
  // Work handed to the stage, work it has finished; a stage is idle when both are equal.
  void begin(ProgressStage stage, SteadyTime now);
  void end(ProgressStage stage, SteadyTime now);
  // Work that takes long goes on: the stage is not stuck.
  void touch(ProgressStage stage, SteadyTime now);
  // Everything the stage had is void (it died): idle again.
  void reset(ProgressStage stage, SteadyTime now);

  // The stage that has had work for longer than `stall` without finishing any; the one that stands longest.
  struct Stuck {
    ProgressStage stage;
    std::chrono::nanoseconds since;
  };
  std::optional<Stuck> stuck(SteadyTime now, std::chrono::nanoseconds stall) const;

 private:
  struct Entry {
    std::atomic<std::int64_t> outstanding = 0;
    std::atomic<std::int64_t> last_ns = 0;  // begin of work after idleness, or last end
  };
  std::array<Entry, kProgressStageCount> entries_;
};

}  // namespace troupe
