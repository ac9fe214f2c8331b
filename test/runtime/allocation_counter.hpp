#pragma once
// How often this thread has asked the heap for memory: the test binary's operator new counts.
#include <cstdint>

namespace troupe::test {
std::uint64_t allocations();
}
