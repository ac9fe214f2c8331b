#pragma once
// The open WebSockets of a server: how many there are, and how they are told to end when it shuts down. Called from
// any thread; the lock is held only for the list (one of the network bridge's).
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

namespace troupe {

class WsSockets {
 public:
  enum class Ending : std::uint8_t {
    kDrain,  // refuse new generations, close with 1001 once the running ones have ended
    kNow,    // cancel the running ones and close with 1001
  };
  using End = std::function<void(Ending)>;  // must not block: it posts

  // The id to remove it by. A socket that joins after end_all is told at once.
  std::uint64_t add(End end);
  void remove(std::uint64_t id);
  void end_all(Ending ending);
  std::size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uint64_t, End> ends_;
  std::uint64_t next_ = 1;
  bool ending_ = false;
  Ending ended_with_ = Ending::kDrain;
};

}  // namespace troupe
