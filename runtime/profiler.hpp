#pragma once
// Where the time of some steps goes: spans of kernels' phases and of actors, on one clock, gathered while somebody has
// asked for it. Otherwise it costs an atomic read a step and a message.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

struct ProfileSpan {
  const char* track = "";  // who: "phases", "batcher", "executor", "request"; static text, as the name
  const char* name = "";   // what: "qkv", "plan"
  std::chrono::steady_clock::time_point begin, end;
  std::int32_t layer = -1;                          // of phases
  std::uint32_t tokens = 0, rows = 0, columns = 0;  // shapes: 0 where there is none
  std::uint64_t bytes = 0;                          // read from memory at least
  std::uint64_t operations = 0;                     // a multiplication and an addition are two
  bool is_float = false;                            // of floats; else of int8
};

struct Profile {
  std::uint32_t steps = 0;  // that ran while it was gathered
  std::chrono::steady_clock::time_point begin, end;
  std::vector<ProfileSpan> spans;   // in the order in which they ended
  std::uint64_t spans_dropped = 0;  // beyond kSpansMax
};

// Used from any thread.
class Profiler {
 public:
  static constexpr std::uint32_t kStepsMax = 200;
  static constexpr std::size_t kSpansMax = std::size_t{1} << 17U;
  static constexpr std::chrono::seconds kPause{5};      // between the end of one profile and the next
  static constexpr std::chrono::seconds kPatience{60};  // then who asks next ends one that waits for steps

  // Called once, on the thread whose step was the last, with kShuttingDown by close() or a profile of fewer steps when
  // the next one is asked for after kPatience.
  using Done = std::function<void(Result<Profile>)>;

  // The next `steps` steps. kInvalidRequest: not 1 to kStepsMax; kRateLimited with a time: one is being gathered or
  // was a moment ago. All memory is taken here.
  Status start(std::uint32_t steps, Done done);
  void close();

  bool is_on() const { return on_.load(std::memory_order_acquire); }
  void add(const ProfileSpan& span);
  void step_done();

 private:
  void finish(std::unique_lock<std::mutex> lock, Result<Profile> result);

  std::atomic<bool> on_ = false;
  std::mutex mutex_;
  std::uint32_t steps_wanted_ = 0;
  Profile profile_;
  Done done_;
  std::chrono::steady_clock::time_point ended_{};  // the last one
};

// A span from here to the end of the block, when a profile is being gathered.
class ProfiledBlock {
 public:
  ProfiledBlock(Profiler* profiler, const char* track, const char* name)
      : profiler_(profiler != nullptr && profiler->is_on() ? profiler : nullptr) {
    if (profiler_ == nullptr) return;
    span_.track = track;
    span_.name = name;
    span_.begin = std::chrono::steady_clock::now();
  }
  ~ProfiledBlock() {
    if (profiler_ == nullptr) return;
    span_.end = std::chrono::steady_clock::now();
    profiler_->add(span_);
  }
  ProfiledBlock(const ProfiledBlock&) = delete;
  ProfiledBlock& operator=(const ProfiledBlock&) = delete;

  // To say more about it; nullptr when nobody wants to know.
  ProfileSpan* span() { return profiler_ == nullptr ? nullptr : &span_; }

 private:
  Profiler* profiler_;
  ProfileSpan span_;
};

}  // namespace troupe
