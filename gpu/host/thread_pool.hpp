#pragma once
// The compute threads of the host device. The caller is one of them: run() gives every thread an equal share of the
// tiles; who has finished its own takes from the others', and run() returns when all are done. A thread the system has
// taken off its core delays only the tile it holds. A share is the same from run to run, so that threads find what they
// wrote in their own caches. No allocation, no lock, and no system call inside a step but the yield of a thread that
// has waited for kSpin.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace troupe {

class ThreadPool {
 public:
  static constexpr std::uint32_t kTilesMax = 0xFFFF;            // of one run
  static constexpr std::chrono::microseconds kSpin{50};         // then a waiting thread yields its core
  static constexpr std::chrono::microseconds kParkAfter{1000};  // after end_step: then it sleeps

  // threads >= 1; threads - 1 are started and called "<name>-1" and so on. `pins`: the CPU each thread stays on, the
  // first that of whoever calls begin_step; empty, or one for every thread.
  explicit ThreadPool(std::uint32_t threads, const std::string& name = "compute", std::vector<std::uint32_t> pins = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::uint32_t threads() const { return threads_; }
  bool is_pinned() const { return !pins_.empty(); }

  // A step is a series of runs close together. begin_step wakes sleeping threads and does not wait for them; after
  // end_step they sleep when no step begins within kParkAfter. run() outside of a step works, only slower.
  // All three are called by one thread; begin_step gives it the canon's rounding mode.
  void begin_step();
  void end_step();

  // fn(tile, thread) for every tile < tiles, thread < threads(); fn must not throw nor call run. One tile is run by
  // the caller alone, without a barrier.
  template <class Fn>
  void run(std::uint32_t tiles, Fn&& fn) {
    using Plain = std::remove_reference_t<Fn>;
    run_tiles(tiles, const_cast<void*>(static_cast<const void*>(&fn)),
              [](void* context, std::uint32_t tile, std::uint32_t thread) noexcept {
                (*static_cast<Plain*>(context))(tile, thread);
              });
  }

 private:
  using Call = void (*)(void* context, std::uint32_t tile, std::uint32_t thread) noexcept;

  // A thread's share of a run, in one cache line: fetching a line another core has written is what a run costs most.
  struct alignas(64) Share {
    std::atomic<std::uint64_t> state{0};  // generation << 32 | end << 16 | next tile
    // What to run; written before `state`, read only after a tile was claimed: until that tile is done they stay.
    Call call = nullptr;
    void* context = nullptr;
  };

  void run_tiles(std::uint32_t tiles, void* context, Call call);
  void work_on_shares(std::uint32_t thread);                        // the own one, then the others'
  std::uint32_t work_on_share(Share& share, std::uint32_t thread);  // returns the number of tiles it ran
  void work(std::uint32_t thread, const std::string& name);
  void pin(std::uint32_t thread) const;  // the calling thread, as that one

  const std::uint32_t threads_;
  std::vector<Share> shares_;  // [threads]
  std::uint32_t generation_ = 0;
  alignas(64) std::atomic<std::uint32_t> finished_{0};  // tiles of this generation that are done
  alignas(64) std::atomic<std::uint32_t> phase_{0};     // odd while in a step; +2 for every step; sleepers wait on it
  std::atomic<std::uint32_t> started_{0};
  std::atomic<bool> stop_{false};
  const std::vector<std::uint32_t> pins_;
  std::vector<std::thread> workers_;
};

// Round to nearest, subnormals kept, exceptions masked: what the canon assumes. A library built with -ffast-math may
// have changed it for the whole process.
void set_canon_float_environment();

}  // namespace troupe
