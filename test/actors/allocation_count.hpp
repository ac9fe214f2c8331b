#pragma once
// Counts what this test program allocates with operator new: every allocation, and the bytes that are held.
#include <cstddef>
#include <cstdint>

namespace troupe::test {

std::uint64_t allocations();  // so far, all threads
std::int64_t bytes_held();    // now

}  // namespace troupe::test
