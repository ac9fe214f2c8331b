#include "net/slow_reader.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>

namespace troupe {

bool SlowReader::is_cut_off(SteadyTime now, std::uint64_t taken) {
  if (!memory_) return false;
  auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(now - since_);
  std::uint64_t wanted = kBytesPerSecond * static_cast<std::uint64_t>(waited.count()) / 1000;
  if (taken >= taken_before_ + wanted) {
    since_ = now;
    taken_before_ = std::max(taken, taken_before_);
    return false;
  }
  if (waited < kPatience || memory_->level() != MemoryLevel::kScarce) return false;
  memory_->count(MemoryStep::kSlowReader);
  return true;
}

// The queue may still hold bytes of writes before: then a little less is said than was taken.
std::uint64_t taken_by_reader(int socket, std::uint64_t written) {
  int queued = 0;
  if (ioctl(socket, SIOCOUTQ, &queued) != 0 || queued < 0) return written;
  return written - std::min<std::uint64_t>(written, static_cast<std::uint64_t>(queued));
}

}  // namespace troupe
