#pragma once
// Counts what a test binary takes from malloc, on all threads: under ASan by its hooks, else by being malloc.
#include <cstddef>
#include <cstdint>

namespace troupe::test {

struct Allocations {
  std::uint64_t count = 0;
  std::size_t largest = 0;  // bytes of one
  std::size_t peak = 0;     // bytes that were held at one time, of those taken while it counted
};

void start_counting();
Allocations stop_counting();

}  // namespace troupe::test
