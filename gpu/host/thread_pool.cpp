#include "gpu/host/thread_pool.hpp"

#include <pthread.h>
#include <sched.h>

#include "runtime/check.hpp"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace troupe {
namespace {

using SteadyClock = std::chrono::steady_clock;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Waits a little: spins at first, then yields the core. The clock is only asked every kPauses pauses.
class Patience {
 public:
  void wait() {
    constexpr std::uint32_t kPauses = 64;
    if (yields_) {
      sched_yield();
      return;
    }
    pause_briefly();
    if (++pauses_ % kPauses != 0) return;
    const auto now = SteadyClock::now();
    if (pauses_ == kPauses) started_ = now;
    yields_ = now - started_ >= ThreadPool::kSpin;
  }

 private:
  std::uint32_t pauses_ = 0;
  bool yields_ = false;
  SteadyClock::time_point started_;
};

constexpr std::uint64_t next_of(std::uint64_t state) { return state & 0xFFFF; }
constexpr std::uint64_t tiles_of(std::uint64_t state) { return state >> 16 & 0xFFFF; }
constexpr std::uint64_t first_state(std::uint64_t generation, std::uint64_t tiles) {
  return generation << 32 | tiles << 16;
}

}  // namespace

void set_canon_float_environment() {
#if defined(__x86_64__)
  _mm_setcsr(0x1F80);
#endif
}

ThreadPool::ThreadPool(std::uint32_t threads, std::string name) : threads_(threads) {
  TROUPE_CHECK(threads >= 1, "a pool has at least the thread that calls it");
  workers_.reserve(threads - 1);
  for (std::uint32_t thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread, name = name + "-" + std::to_string(thread)] { work(thread, name); });
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  phase_.fetch_add(1, std::memory_order_release);
  phase_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::begin_step() {
  set_canon_float_environment();
  if (threads_ == 1) return;
  phase_.store((phase_.load(std::memory_order_relaxed) | 1U) + 2, std::memory_order_release);
  phase_.notify_all();
}

void ThreadPool::end_step() {
  if (threads_ > 1) phase_.store((phase_.load(std::memory_order_relaxed) | 1U) + 1, std::memory_order_release);
}

void ThreadPool::run_tiles(std::uint32_t tiles, void* context, Call call) {
  TROUPE_CHECK(tiles <= kTilesMax, "too many tiles for one run");
  if (threads_ == 1 || tiles <= 1) {
    for (std::uint32_t tile = 0; tile < tiles; ++tile) call(context, tile, 0);
    return;
  }
  // Nobody can be inside the generation before: all its tiles are done.
  context_.store(context, std::memory_order_relaxed);
  call_.store(call, std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  const std::uint64_t generation = (state_.load(std::memory_order_relaxed) >> 32) + 1;
  state_.store(first_state(generation, tiles), std::memory_order_release);
  work_on_tiles(0);
  Patience patience;
  while (finished_.load(std::memory_order_acquire) != tiles) patience.wait();
}

bool ThreadPool::work_on_tiles(std::uint32_t thread) {
  std::uint32_t done = 0;
  std::uint64_t state = state_.load(std::memory_order_acquire);
  while (next_of(state) < tiles_of(state)) {
    // While a tile of this generation is unclaimed its job stays: if the claim succeeds, these two belonged to it.
    void* const context = context_.load(std::memory_order_relaxed);
    const Call call = call_.load(std::memory_order_relaxed);
    if (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
    call(context, static_cast<std::uint32_t>(next_of(state)), thread);
    finished_.fetch_add(1, std::memory_order_release);
    ++done;
    state = state_.load(std::memory_order_acquire);
  }
  return done > 0;
}

void ThreadPool::work(std::uint32_t thread, const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());  // the kernel's limit
  set_canon_float_environment();
  Patience patience;
  SteadyClock::time_point idle_since;
  std::uint32_t idle_phase = 1;  // the even phase whose idle time is being measured
  while (!stop_.load(std::memory_order_acquire)) {
    const std::uint32_t phase = phase_.load(std::memory_order_acquire);
    if (work_on_tiles(thread)) {
      patience = {};
      idle_phase = 1;
      continue;
    }
    if (phase % 2 == 1) {
      patience.wait();
      continue;
    }
    const auto now = SteadyClock::now();
    if (idle_phase != phase) {
      idle_phase = phase;
      idle_since = now;
    }
    if (now - idle_since < kParkAfter) {
      patience.wait();
    } else {
      phase_.wait(phase, std::memory_order_acquire);
      patience = {};
    }
  }
}

}  // namespace troupe
