#pragma once
// Which reader is cut off while memory is scarce (runtime/memory_governor.hpp, step 2): one that holds up a write and
// for two seconds has taken less than 16 KiB/s. Whoever reads a stream as it comes takes all that a model writes.
#include <chrono>
#include <cstdint>
#include <utility>

#include "runtime/memory_governor.hpp"
#include "runtime/request.hpp"

namespace troupe {

class SlowReader {
 public:
  static constexpr std::chrono::milliseconds kPatience{2'000};
  static constexpr std::uint64_t kBytesPerSecond = 16U << 10U;
  static constexpr std::chrono::milliseconds kLook{500};  // between two looks at a write that does not end

  explicit SlowReader(MemoryGovernorPtr memory) : memory_(std::move(memory)) {}

  void begin(SteadyTime now) { since_ = now, taken_before_ = 0; }  // of a write

  // At every look: what the reader has taken since the write began. True is counted: the caller closes.
  bool is_cut_off(SteadyTime now, std::uint64_t taken);

 private:
  MemoryGovernorPtr memory_;
  SteadyTime since_{};  // when it last had taken enough, and how much that was: speed before does not count
  std::uint64_t taken_before_ = 0;
};

// Of so many bytes that the kernel took for this socket those the peer has acknowledged, as far as the kernel knows.
std::uint64_t taken_by_reader(int socket, std::uint64_t written);

}  // namespace troupe
