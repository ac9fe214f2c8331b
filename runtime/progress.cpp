#include "runtime/progress.hpp"

namespace troupe {
namespace {

std::int64_t nanoseconds(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

const char* name_of(ProgressStage stage) {
  switch (stage) {
    case ProgressStage::kText:
      return "text";
    case ProgressStage::kCache:
      return "cache";
    case ProgressStage::kBatcher:
      return "batcher";
    case ProgressStage::kExecutor:
      return "executor";
  }
  return "unknown";
}

void Progress::begin(ProgressStage stage, SteadyTime now) {
  Entry& entry = entries_[static_cast<std::size_t>(stage)];
  // The time first: who sees the work must not see the time of the work before the idleness.
  if (entry.outstanding.load(std::memory_order_relaxed) == 0) {
    entry.last_ns.store(nanoseconds(now), std::memory_order_relaxed);
  }
  entry.outstanding.fetch_add(1, std::memory_order_release);
}

void Progress::end(ProgressStage stage, SteadyTime now) {
  Entry& entry = entries_[static_cast<std::size_t>(stage)];
  entry.last_ns.store(nanoseconds(now), std::memory_order_relaxed);
  std::int64_t outstanding = entry.outstanding.load(std::memory_order_relaxed);
  // The end of work from before a reset finds nothing to take away.
  while (outstanding > 0 &&
         !entry.outstanding.compare_exchange_weak(outstanding, outstanding - 1, std::memory_order_release)) {
  }
}

void Progress::touch(ProgressStage stage, SteadyTime now) {
  entries_[static_cast<std::size_t>(stage)].last_ns.store(nanoseconds(now), std::memory_order_relaxed);
}

void Progress::reset(ProgressStage stage, SteadyTime now) {
  Entry& entry = entries_[static_cast<std::size_t>(stage)];
  entry.last_ns.store(nanoseconds(now), std::memory_order_relaxed);
  entry.outstanding.store(0, std::memory_order_release);
}

std::optional<Progress::Stuck> Progress::stuck(SteadyTime now, std::chrono::nanoseconds stall) const {
  std::optional<Stuck> worst;
  for (std::size_t i = 0; i < kProgressStageCount; ++i) {
    if (entries_[i].outstanding.load(std::memory_order_acquire) == 0) continue;
    std::chrono::nanoseconds since{nanoseconds(now) - entries_[i].last_ns.load(std::memory_order_relaxed)};
    if (since > stall && (!worst || since > worst->since)) worst = Stuck{static_cast<ProgressStage>(i), since};
  }
  return worst;
}

}  // namespace troupe
