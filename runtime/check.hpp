#pragma once
// TROUPE_CHECK(x, "why"): a promise of our own code. A broken one ends the process near its cause; what comes from
// outside is never checked with this, it is answered with a Result.
#include <cstdio>
#include <cstdlib>

namespace troupe {
[[noreturn]] inline void check_failed(const char* file, int line, const char* condition, const char* why) {
  std::fprintf(stderr, "%s:%d: broken promise: %s (%s)\n", file, line, condition, why);
  std::abort();
}
}  // namespace troupe

#define TROUPE_CHECK(condition, why) \
  ((condition) ? static_cast<void>(0) : ::troupe::check_failed(__FILE__, __LINE__, #condition, why))
