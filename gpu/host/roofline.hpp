#pragma once
// What this machine can do at best, measured: what the engine's figures are held against. Each takes well under a
// second (`quick`: milliseconds, and less exact), on all threads of the pool.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gpu/host/thread_pool.hpp"

namespace troupe {

struct ComputeRate {
  const char* name;   // "int8, avx2 pairs summed in 16 bits"
  bool is_integer;    // int8 products; else f32
  double operations;  // a second: a multiplication and an addition are two
};
// Of every instruction this CPU has, the slower ones of a kind first.
std::vector<ComputeRate> compute_rates(ThreadPool& pool, bool quick);

// Bytes a second, reading `bytes` of memory over and over, each thread its part. 0: no memory.
double read_bandwidth(ThreadPool& pool, std::size_t bytes, bool quick);

// Every line of [lines, lines + bytes) through registers, by the widest loads. Aligned to 64, bytes a multiple of 256.
void read_lines(const std::byte* lines, std::size_t bytes);

// Seconds for a phase that does nothing: the hand-over to the threads and back.
double phase_seconds(ThreadPool& pool, bool quick);

// What lines cost that another core has: how near to one another the system has put the first two threads.
struct SharedLines {
  double round_trip = 0.0;  // seconds for one line to the other thread and back
  double write = 0.0;       // seconds for each of many lines that the other has read meanwhile
};
SharedLines shared_lines(ThreadPool& pool, bool quick);  // zeros with one thread

}  // namespace troupe
