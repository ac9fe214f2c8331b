#include "gpu/host/roofline.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include "gpu/host/cpu_features.hpp"
#include "tensor/storage.hpp"
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace troupe {
namespace {

// Chains that do not wait for one another: more than latency times issue width. Where only an addition is in the chain
// half as many do, and more would not fit the registers beside the products.
constexpr int kChains = 12, kShortChains = 6;
constexpr std::uint64_t kRounds = 4'000'000;  // of all chains; some milliseconds

// Unrolled, so that the chains are registers.
#define TROUPE_UNROLL _Pragma("GCC unroll 16")

// A rate: `run` does `rounds` times an instruction, or a group of them, in each chain: so many `operations` a round.
struct Peak {
  const char* name;
  bool is_integer;
  bool available;
  void (*run)(std::uint64_t rounds);
  double operations;
};

// The sums are wanted, as far as the compiler knows.
template <class T>
void keep(T& sums) {
  __asm__ volatile("" : : "r"(&sums) : "memory");
}

// A function that makes the `step` of each chain: s of type Sum becomes an expression of s and a, a register of type
// Operand that the compiler does not know: or one product would do for all.
#define TROUPE_PEAK(name, isa, chains, Sum, Operand, value, step)          \
  __attribute__((target(isa), noinline)) void name(std::uint64_t rounds) { \
    Sum sum[chains] = {};                                                  \
    Operand a = value;                                                     \
    for (std::uint64_t i = 0; i < rounds; ++i) {                           \
      TROUPE_UNROLL for (auto& s : sum) {                                  \
        __asm__ volatile("" : TROUPE_REGISTER(a));                         \
        s = step;                                                          \
      }                                                                    \
    }                                                                      \
    keep(sum);                                                             \
  }

#if defined(__x86_64__)
#define TROUPE_REGISTER(a) "+v"(a)
TROUPE_PEAK(maddubs_wide, "avx2", kShortChains, __m256i, __m256i, _mm256_set1_epi8(1),
            _mm256_add_epi32(s, _mm256_madd_epi16(_mm256_maddubs_epi16(a, a), _mm256_set1_epi16(1))))
TROUPE_PEAK(maddubs_block, "avx2", kShortChains, __m256i, __m256i, _mm256_set1_epi8(1),
            _mm256_add_epi16(s, _mm256_maddubs_epi16(a, a)))
TROUPE_PEAK(dpbusd_256, "avx2,avxvnni", kChains, __m256i, __m256i, _mm256_set1_epi8(1),
            _mm256_dpbusd_avx_epi32(s, a, a))
TROUPE_PEAK(dpbusd_512, "avx512f,avx512vnni", kChains, __m512i, __m512i, _mm512_set1_epi8(1),
            _mm512_dpbusd_epi32(s, a, a))
TROUPE_PEAK(fma_256, "avx2,fma", kChains, __m256, __m256, _mm256_set1_ps(1.0F), _mm256_fmadd_ps(a, a, s))
TROUPE_PEAK(fma_512, "avx512f", kChains, __m512, __m512, _mm512_set1_ps(1.0F), _mm512_fmadd_ps(a, a, s))

std::vector<Peak> peaks(const CpuFeatures& cpu) {
  return {{"int8, avx2 pairs widened to 32 bits", true, cpu.avx2, maddubs_wide, 64 * kShortChains},
          {"int8, avx2 pairs summed in 16 bits", true, cpu.avx2, maddubs_block, 64 * kShortChains},
          {"int8, avxvnni", true, cpu.avx_vnni, dpbusd_256, 64 * kChains},
          {"int8, avx512 vnni", true, cpu.avx512, dpbusd_512, 128 * kChains},
          {"f32 fma, avx2", false, cpu.avx2, fma_256, 16 * kChains},
          {"f32 fma, avx512", false, cpu.avx512, fma_512, 32 * kChains}};
}
#elif defined(__aarch64__)
#define TROUPE_REGISTER(a) "+w"(a)
TROUPE_PEAK(sdot, "arch=armv8.2-a+dotprod", kChains, int32x4_t, int8x16_t, vdupq_n_s8(1), vdotq_s32(s, a, a))
TROUPE_PEAK(smmla, "arch=armv8.2-a+i8mm", kChains, int32x4_t, int8x16_t, vdupq_n_s8(1), vmmlaq_s32(s, a, a))
TROUPE_PEAK(fma_neon, "arch=armv8-a", kChains, float32x4_t, float32x4_t, vdupq_n_f32(1.0F), vfmaq_f32(s, a, a))

std::vector<Peak> peaks(const CpuFeatures& cpu) {
  return {{"int8, neon dot products", true, cpu.dot_product, sdot, 32 * kChains},
          {"int8, i8mm matrices", true, cpu.i8mm, smmla, 64 * kChains},
          {"f32 fma, neon", false, true, fma_neon, 8 * kChains}};
}
#else
std::vector<Peak> peaks(const CpuFeatures&) { return {}; }
#endif

template <class Work>
double seconds_of(Work&& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// The best of some rounds of work(thread) on all threads at once.
template <class Work>
double best_seconds(ThreadPool& pool, int rounds, const Work& work) {
  double best = 1e9;
  pool.begin_step();
  for (int i = 0; i < rounds; ++i) {
    best = std::min(
        best, seconds_of([&] { pool.run(pool.threads(), [&](std::uint32_t tile, std::uint32_t) { work(tile); }); }));
  }
  pool.end_step();
  return best;
}

constexpr std::size_t kLine = 64;

// Every line of memory through registers, in 8 streams of instructions that wait for nothing.
#if defined(__x86_64__)
__attribute__((target("avx2"), noinline)) void read_avx2(const std::byte* lines, std::size_t bytes) {
  __m256i sums[8] = {};
  for (std::size_t at = 0; at + 256 <= bytes; at += 256) {
    TROUPE_UNROLL for (std::size_t i = 0; i < 8; ++i) {
      sums[i] = _mm256_xor_si256(sums[i], _mm256_load_si256(reinterpret_cast<const __m256i*>(lines + at + 32 * i)));
    }
  }
  keep(sums);
}
#endif
void read_words(const std::byte* lines, std::size_t bytes) {
  std::uint64_t sums[8] = {};
  const auto* words = reinterpret_cast<const std::uint64_t*>(lines);
  for (std::size_t at = 0; at + 8 <= bytes / 8; at += 8) {
    TROUPE_UNROLL for (std::size_t i = 0; i < 8; ++i) sums[i] ^= words[at + i];
  }
  keep(sums);
}

}  // namespace

void read_lines(const std::byte* lines, std::size_t bytes) {
#if defined(__x86_64__)
  if (cpu_features().avx2) return read_avx2(lines, bytes);
#endif
  read_words(lines, bytes);
}

std::vector<ComputeRate> compute_rates(ThreadPool& pool, bool quick) {
  const std::uint64_t rounds = quick ? kRounds / 20 : kRounds;
  std::vector<ComputeRate> rates;
  for (const Peak& peak : peaks(cpu_features())) {
    if (!peak.available) continue;
    double operations = peak.operations * static_cast<double>(rounds) * pool.threads();
    double seconds = best_seconds(pool, 5, [&](std::uint32_t) { peak.run(rounds); });
    rates.push_back({peak.name, peak.is_integer, operations / seconds});
  }
  return rates;
}

double read_bandwidth(ThreadPool& pool, std::size_t bytes, bool quick) {
  auto storage = Storage::allocate(bytes);
  if (!storage) return 0;
  std::memset(storage->data(), 1, bytes);
  const std::size_t each = bytes / pool.threads() / (4 * kLine) * (4 * kLine);
  const std::size_t repeats = std::max<std::size_t>(1, (quick ? std::size_t{1} << 20 : std::size_t{64} << 20) / bytes);
  double seconds = best_seconds(pool, quick ? 2 : 9, [&](std::uint32_t thread) {
    for (std::size_t i = 0; i < repeats; ++i) read_lines(storage->data() + thread * each, each);
  });
  return static_cast<double>(each * pool.threads() * repeats) / seconds;
}

// Every tile waits for all the others, so each thread has to come for its own.
double phase_seconds(ThreadPool& pool, bool quick) {
  const int runs = quick ? 200 : 20'000;
  double best = 1e9;
  pool.begin_step();
  for (int round = 0; round < 5; ++round) {
    best = std::min(best, seconds_of([&] {
                      for (int i = 0; i < runs; ++i) {
                        std::atomic<std::uint32_t> there = 0;
                        pool.run(pool.threads(), [&](std::uint32_t, std::uint32_t) {
                          there.fetch_add(1, std::memory_order_acq_rel);
                          while (there.load(std::memory_order_acquire) < pool.threads()) {
                          }
                        });
                      }
                    }));
  }
  pool.end_step();
  return best / runs;
}

SharedLines shared_lines(ThreadPool& pool, bool quick) {
  if (pool.threads() < 2) return {};
  struct alignas(kLine) Line {
    std::atomic<std::uint32_t> value = 0;
  };
  constexpr std::uint32_t kLines = 256, kSpins = 1 << 14;  // then it yields: there may be one CPU only
  const std::uint32_t rounds = quick ? 200 : 20'000;
  std::vector<Line> lines(kLines);
  Line here, there;
  SharedLines costs;
  const auto wait_for = [](const Line& line, std::uint32_t round) {
    for (std::uint32_t i = 0; line.value.load(std::memory_order_acquire) != round; ++i)
      if (i > kSpins) std::this_thread::yield();
  };
  // Two tiles that wait for one another: a thread for each.
  const auto exchange = [&](const auto& write, const auto& read) {
    pool.run(2, [&](std::uint32_t tile, std::uint32_t) {
      for (std::uint32_t round = 1; round <= rounds; ++round) {
        if (tile == 0) {
          write();
          here.value.store(round, std::memory_order_release);
          wait_for(there, round);
        } else {
          wait_for(here, round);
          read();
          there.value.store(round, std::memory_order_release);
        }
      }
    });
  };
  pool.begin_step();
  costs.round_trip = seconds_of([&] { exchange([] {}, [] {}); }) / rounds;
  double seconds = 0;
  here.value = there.value = 0;
  exchange(
      [&] {
        seconds += seconds_of([&] {
          for (Line& line : lines) line.value.store(1, std::memory_order_relaxed);
          std::atomic_thread_fence(std::memory_order_seq_cst);  // until all are written
        });
      },
      [&] {
        for (const Line& line : lines) line.value.load(std::memory_order_relaxed);
      });
  pool.end_step();
  costs.write = seconds / rounds / kLines;
  return costs;
}

}  // namespace troupe
