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
#elif defined(__aarch64__)
  __asm__ volatile("yield");
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
constexpr std::uint64_t end_of(std::uint64_t state) { return state >> 16 & 0xFFFF; }
constexpr std::uint64_t first_state(std::uint64_t generation, std::uint64_t begin, std::uint64_t end) {
  return generation << 32 | end << 16 | begin;
}

}  // namespace

void set_canon_float_environment() {
#if defined(__x86_64__)
  _mm_setcsr(0x1F80);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(std::uint64_t{0}));
#endif
}

ThreadPool::ThreadPool(std::uint32_t threads, const std::string& name, std::vector<std::uint32_t> pins)
    : threads_(threads), shares_(threads), pins_(std::move(pins)) {
  TROUPE_CHECK(threads >= 1, "a pool has at least the thread that calls it");
  TROUPE_CHECK(pins_.empty() || pins_.size() >= threads, "a CPU for every thread");
  workers_.reserve(threads - 1);
  for (std::uint32_t thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread, name = name + "-" + std::to_string(thread)] { work(thread, name); });
  }
  // What starting a thread allocates is not to fall into the first step.
  while (started_.load(std::memory_order_acquire) != threads - 1) std::this_thread::yield();
}

ThreadPool::~ThreadPool() {
  stop_.store(true, std::memory_order_release);
  phase_.fetch_add(1, std::memory_order_release);
  phase_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::begin_step() {
  set_canon_float_environment();
  thread_local const ThreadPool* pinned_for = nullptr;
  if (pinned_for != this) pin(0);
  pinned_for = this;
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
  // Nobody holds a tile of the generation before: all are done.
  finished_.store(0, std::memory_order_relaxed);
  ++generation_;
  for (std::uint32_t thread = threads_; thread-- > 0;) {
    const std::uint32_t begin = tiles * thread / threads_;
    const std::uint32_t end = tiles * (thread + 1) / threads_;
    shares_[thread].call = call;
    shares_[thread].context = context;
    shares_[thread].state.store(first_state(generation_, begin, end), std::memory_order_release);
  }
  work_on_shares(0);
  Patience patience;
  while (finished_.load(std::memory_order_acquire) != tiles) patience.wait();
}

void ThreadPool::work_on_shares(std::uint32_t thread) {
  std::uint32_t done = 0;
  for (std::uint32_t i = 0; i < threads_; ++i) done += work_on_share(shares_[(thread + i) % threads_], thread);
  // Once for all of them: this line is everybody's. The next generation cannot begin before.
  if (done > 0) finished_.fetch_add(done, std::memory_order_release);
}

// A tile is claimed by advancing `next` with a compare-exchange of the whole state, so a latecomer of an older
// generation can never take a tile of this one.
std::uint32_t ThreadPool::work_on_share(Share& share, std::uint32_t thread) {
  std::uint32_t done = 0;
  std::uint64_t state = share.state.load(std::memory_order_acquire);
  while (next_of(state) < end_of(state)) {
    if (!share.state.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      continue;
    }
    share.call(share.context, static_cast<std::uint32_t>(next_of(state)), thread);
    ++done;
    state = share.state.load(std::memory_order_acquire);
  }
  return done;
}

// Where the system refuses, the thread runs anywhere: slower perhaps, never wrong.
void ThreadPool::pin(std::uint32_t thread) const {
  if (pins_.empty()) return;
  const std::uint32_t cpu = pins_[thread];
  cpu_set_t* mask = CPU_ALLOC(cpu + 1);
  if (mask == nullptr) return;
  CPU_ZERO_S(CPU_ALLOC_SIZE(cpu + 1), mask);
  CPU_SET_S(cpu, CPU_ALLOC_SIZE(cpu + 1), mask);
  pthread_setaffinity_np(pthread_self(), CPU_ALLOC_SIZE(cpu + 1), mask);
  CPU_FREE(mask);
}

void ThreadPool::work(std::uint32_t thread, const std::string& name) {
  pin(thread);
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());  // the kernel's limit
  set_canon_float_environment();
  started_.fetch_add(1, std::memory_order_release);
  Patience patience;
  SteadyClock::time_point idle_since;
  std::uint32_t idle_phase = 1;        // the even phase whose idle time is being measured
  std::uint64_t seen = 0;              // generation of the last run this thread took part in
  const Share& own = shares_[thread];  // the only line an idle thread reads in a loop: it is in nobody's way
  while (!stop_.load(std::memory_order_acquire)) {
    const std::uint32_t phase = phase_.load(std::memory_order_acquire);
    const std::uint64_t generation = own.state.load(std::memory_order_acquire) >> 32;
    if (generation != seen) {
      seen = generation;
      work_on_shares(thread);
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
