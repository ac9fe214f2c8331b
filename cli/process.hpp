#pragma once
// What the process as a whole needs from the operating system.
#include <chrono>
#include <optional>

namespace troupe {

// Descriptors up to the hard limit, no SIGPIPE, timers to the microsecond (inherited by every thread).
void prepare_process();

// SIGTERM and SIGINT (end), SIGHUP (reload) and SIGUSR1 (look for notes), for the life of the object. Made before any
// thread, so that every thread inherits the mask.
class Signals {
 public:
  Signals();
  // The next signal; 0 when none came within `limit` (none: waits for ever).
  int next(std::optional<std::chrono::milliseconds> limit);
  static bool is_end(int signal);
  void knock();        // from any thread: next() returns SIGUSR1
  void end_at_next();  // from now on a further SIGTERM or SIGINT ends the process at once, with exit code 1
};

}  // namespace troupe
