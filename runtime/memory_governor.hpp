#pragma once
// The one account of all host memory that grows with clients (D17), under one limit. Whoever keeps something for a
// client takes bytes first and gives them back when it is gone. What is planned at the start (weights, workspace, the
// KV pool with its cached prefixes) is not in it: that does not grow.
//
// When it gets tight, in this order:
//   1. from 60 % of the limit on the result cache stores nothing and gives back what is beyond: that costs time only
//   2. from 75 % on connections are read ahead no more, and readers that take less than 16 KiB/s are cut off
//   3. what would lead beyond 80 % (connections and bytes still coming in) or 90 % (requests) is refused
//   4. never: what was accepted for a reader that reads. The most its answer can take is taken with the request.
// The last tenth is never given out: it is for what nobody counts (the allocator's gaps, messages on their way).
//
// Any thread; no locks.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "runtime/result.hpp"

namespace troupe {

enum class MemoryUse : std::uint8_t {
  kConnections,
  kInput,     // bodies and messages being read and parsed
  kRequests,  // prompts and tokens, until the request ends
  kAnswers,   // until the client has them
  kResultCache,
};
inline constexpr std::size_t kMemoryUses = 5;
enum class MemoryLevel : std::uint8_t {
  kCalm,
  kTight,
  kScarce
};  // the first two steps above; refusals are taken singly
enum class MemoryStep : std::uint8_t { kResultCache, kSlowReader, kRefusal };
inline constexpr std::size_t kMemorySteps = 3;

class MemoryGovernor {
 public:
  // In per cent of the limit.
  static constexpr std::uint64_t kTightShare = 60;
  static constexpr std::uint64_t kScarceShare = 75;
  static constexpr std::uint64_t kInputShare = 80;
  static constexpr std::uint64_t kRequestShare = 90;
  static constexpr std::uint64_t kLimitMax = std::uint64_t{1} << 56U;

  explicit MemoryGovernor(std::uint64_t limit_bytes = kLimitMax);
  MemoryGovernor(const MemoryGovernor&) = delete;
  MemoryGovernor& operator=(const MemoryGovernor&) = delete;

  // False: with it the sum would be beyond what this use may lead to; nothing is taken.
  bool try_take(MemoryUse use, std::uint64_t bytes);
  void give_back(MemoryUse use, std::uint64_t bytes);

  std::uint64_t limit() const { return limit_.load(std::memory_order_relaxed); }
  std::uint64_t limit_of(MemoryUse use) const;  // of the sum, for taking more of it
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t used(MemoryUse use) const { return by_use_[index(use)].load(std::memory_order_relaxed); }
  std::uint64_t most_used() const { return most_used_.load(std::memory_order_relaxed); }
  MemoryLevel level() const;

  // Smaller than what is in use: nothing is taken away, and nothing given until enough has come back.
  void set_limit(std::uint64_t bytes);

  // Called by whoever makes it tight while the result cache holds something, once until the cache has asked what to
  // give back; must not block. Set before the first take, and emptied when no one takes any more.
  void on_tight(std::function<void()> tell_cache) { tell_cache_ = std::move(tell_cache); }
  // Bytes: what is beyond the first step, and what stood in the way of a take since the last time.
  std::uint64_t to_yield();

  void count(MemoryStep step) { steps_[static_cast<std::size_t>(step)].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t steps(MemoryStep step) const {
    return steps_[static_cast<std::size_t>(step)].load(std::memory_order_relaxed);
  }
  // The answer to whoever is refused, counted: what was asked for and what stood in its way.
  Error refusal(MemoryUse use, std::uint64_t bytes, std::uint32_t retry_after_s);

 private:
  static std::size_t index(MemoryUse use) { return static_cast<std::size_t>(use); }

  std::atomic<std::uint64_t> limit_;
  std::atomic<std::uint64_t> used_ = 0;
  std::atomic<std::uint64_t> most_used_ = 0;
  std::array<std::atomic<std::uint64_t>, kMemoryUses> by_use_{};
  std::array<std::atomic<std::uint64_t>, kMemorySteps> steps_{};
  std::atomic<bool> is_cache_told_ = false;
  std::atomic<std::uint64_t> missing_ = 0;  // for the largest take that failed since the cache was asked last
  std::function<void()> tell_cache_;
};
using MemoryGovernorPtr = std::shared_ptr<MemoryGovernor>;

// Bytes that were taken, until they are given back or the lease ends. One thread at a time. Without a governor
// everything is granted and nothing counted.
class MemoryLease {
 public:
  MemoryLease() = default;
  MemoryLease(MemoryGovernorPtr governor, MemoryUse use) : governor_(std::move(governor)), use_(use) {}
  ~MemoryLease() { shrink_to(0); }
  MemoryLease(MemoryLease&& other) noexcept;
  MemoryLease& operator=(MemoryLease&& other) noexcept;

  bool grow_to(std::uint64_t bytes);    // true: it holds so many now, or more
  void shrink_to(std::uint64_t bytes);  // nothing when it holds less
  std::uint64_t bytes() const { return bytes_; }

 private:
  MemoryGovernorPtr governor_;
  MemoryUse use_ = MemoryUse::kRequests;
  std::uint64_t bytes_ = 0;
};

// ---- what things cost at most ---------------------------------------------------------------------------------------

// A connection with its session, a buffer to read into and one to write from; measured: some 20 KiB.
inline constexpr std::uint64_t kConnectionBytes = 32U << 10U;
// And what compression adds to a WebSocket.
inline constexpr std::uint64_t kWebSocketBytes = 96U << 10U;
// A live request besides prompt and answer: actor, mailbox, stream, books.
inline constexpr std::uint64_t kRequestBytes = 16U << 10U;

// Of a body while it is parsed: itself, the document made of it (measured: up to 48 bytes a value, however short), and
// the prompt copied out of that.
std::uint64_t parse_bytes(std::string_view body);

// Prompt and tokens of a live request. Tokens are there twice: with the request and with the scheduler.
std::uint64_t request_bytes(std::size_t prompt_bytes);
std::uint64_t request_bytes_of_tokens(std::size_t prompt_tokens);

// An answer of so many tokens with so many alternatives each, as it is logged and as it is written for its reader.
std::uint64_t answer_bytes(std::uint64_t tokens, std::int32_t logprobs);
// An embedding of so many values, likewise.
std::uint64_t embedding_bytes(std::uint32_t values);

// The smallest limit with which a plain request of `body_max` bytes is served.
std::uint64_t memory_needed(std::uint64_t body_max);
// The limit where none is configured: half of `free_bytes`, what the process may take beyond its plan.
std::uint64_t automatic_memory_limit(std::uint64_t free_bytes, std::uint64_t body_max);

}  // namespace troupe
