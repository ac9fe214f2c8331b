#pragma once
// What the instructions of an exact kernel allow at most, measured: the ones its rule needs (numerics.md), on registers
// alone, with nothing loaded but constants. No order of loops, no layout and no way of fetching makes a kernel of the
// same instruction set faster than this.
#include <string_view>

#include "gpu/host/thread_pool.hpp"

namespace troupe {

// Operations a second, as products are counted (a multiplication and an addition are two), on all threads. 0: not known
// for this table of kernels. There are mixes for avx2 and avx512.
struct KernelBounds {
  double nibbles = 0;           // 4-bit codes without a minimum, four tokens or more
  double nibbles_with_min = 0;  // with one
  double bytes = 0;             // 8-bit codes
  double attention = 0;         // int8 K/V, heads of 64, three queries that read the same pages
};
KernelBounds kernel_bounds(ThreadPool& pool, std::string_view table, bool quick);

}  // namespace troupe
