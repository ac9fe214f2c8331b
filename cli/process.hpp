#pragma once
// What the process as a whole needs from the operating system.
#include <cstdint>
#include <functional>

namespace troupe {

// Descriptors up to the hard limit, no SIGPIPE, timers to the microsecond (inherited by every thread).
void prepare_process();

// SIGTERM and SIGINT, for the life of the object. Made before any thread, so that every thread inherits the mask.
// The first signal lets wait() return; a second one ends the process at once with exit code 1.
class Signals {
 public:
  Signals();
  int wait();  // blocks; returns the signal
};

}  // namespace troupe
