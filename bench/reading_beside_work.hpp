#pragma once
// Reading memory while computing: what one core can do of both at a time. The lines are fetched ahead as the kernels do
// it, and multiply-adds on registers stand for the products. AVX2; elsewhere there is nothing.
#include <cstddef>

namespace troupe::bench {

#if defined(__x86_64__)
inline constexpr bool kHasReadingBesideWork = true;

using Vector = int __attribute__((vector_size(32)));

// kWork: groups of four multiply-adds for each 256 bytes, two cycles a group at best. kAhead: bytes, 0: nothing is
// fetched ahead but by the machine itself. Reads `bytes` (whole 256s) in rounds over the first `window` of them.
template <int kWork, std::size_t kAhead>
__attribute__((target("avx2"), noinline)) void read_beside_work(const std::byte* lines, std::size_t bytes,
                                                                std::size_t window) {
  Vector sums[4] = {}, a = {}, b = {}, c = {}, d = {};
  for (std::size_t done = 0, at = 0; done + 256 <= bytes; done += 256, at += 256) {
    if (at + 256 > window) at = 0;
    const std::byte* const here = lines + at;
#pragma GCC unroll 4
    for (std::size_t line = 0; line < 256 && kAhead > 0; line += 64) __builtin_prefetch(here + kAhead + line, 0, 3);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      sums[i % 4] ^= reinterpret_cast<const Vector*>(here)[i];
#pragma GCC unroll 4
      for (int group = i * kWork / 8; group < (i + 1) * kWork / 8; ++group) {
        __asm__ volatile(
            "vpmaddubsw %0, %0, %0\n\tvpmaddubsw %1, %1, %1\n\tvpmaddubsw %2, %2, %2\n\tvpmaddubsw %3, %3, %3"
            : "+x"(a), "+x"(b), "+x"(c), "+x"(d));
      }
    }
  }
  sums[0] ^= sums[1] ^ sums[2] ^ sums[3] ^ a ^ b ^ c ^ d;
  __asm__ volatile("" : : "x"(sums[0]));
}

#else
inline constexpr bool kHasReadingBesideWork = false;
template <int kWork, std::size_t kAhead>
void read_beside_work(const std::byte*, std::size_t, std::size_t) {}
#endif

}  // namespace troupe::bench
