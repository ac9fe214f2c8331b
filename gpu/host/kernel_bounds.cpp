#include "gpu/host/kernel_bounds.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "gpu/host/cpu_features.hpp"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace troupe {
namespace {

#if defined(__x86_64__)
#define TROUPE_AVX2 __attribute__((target("avx2,fma"), always_inline)) inline
#define TROUPE_MIX __attribute__((target("avx2,fma"), noinline))
#define TROUPE_UNROLL _Pragma("GCC unroll 16")

// The same register, as something the compiler does not know: what a load would bring, for free.
template <class T>
TROUPE_AVX2 T other(T value) {
  __asm__ volatile("" : "+x"(value));
  return value;
}
template <class T>
void keep(T& sums) {
  __asm__ volatile("" : : "r"(&sums) : "memory");
}

constexpr int kTokens = 4, kHalves = 2;  // 16 rows are two registers
constexpr double kBlockOperations = 2.0 * 16 * 32 * kTokens;

// A block's integer sums become floats, are scaled and added (rule 4).
template <bool kMin>
TROUPE_AVX2 __m256 add_scaled(__m256 sum, __m256i isum, __m256 scale) {
  sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(isum), _mm256_mul_ps(scale, other(scale)), sum);
  return kMin ? _mm256_fmadd_ps(other(scale), other(scale), sum) : sum;
}

// 16 rows x 32 columns x 4 tokens a round.
template <bool kMin>
TROUPE_MIX void nibbles(std::uint64_t rounds) {
  const __m256i mask = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1), zero = _mm256_set1_epi32(0);
  __m256i packed = mask, activations = ones;
  __m256 sums[kTokens * kHalves] = {};
  const __m256 scale = _mm256_setzero_ps();
  for (std::uint64_t i = 0; i < rounds; ++i) {
    __m256i pairs[kTokens * kHalves];
    TROUPE_UNROLL for (int line = 0; line < 8; ++line) {
      __m256i w[kHalves];
      TROUPE_UNROLL for (auto& half : w) {
        half = other(packed);
        half = _mm256_and_si256(line < 4 ? half : _mm256_srli_epi16(half, 4), mask);
      }
      TROUPE_UNROLL for (int n = 0; n < kTokens * kHalves; ++n) {
        const __m256i product = _mm256_maddubs_epi16(w[n % kHalves], other(activations));
        pairs[n] = line == 0 ? product : _mm256_add_epi16(pairs[n], product);
        __asm__ volatile("" : "+x"(pairs[n]));
      }
    }
    TROUPE_UNROLL for (int n = 0; n < kTokens * kHalves; ++n) {
      __m256i isum = _mm256_madd_epi16(pairs[n], ones);
      if (!kMin) isum = _mm256_add_epi32(isum, other(zero));  // the zero point
      sums[n] = add_scaled<kMin>(sums[n], isum, scale);
    }
  }
  keep(sums);
}

// Signed bytes times signed bytes: the sums of pairs do not fit 16 bits with another one.
TROUPE_AVX2 __m256i add_signed_bytes(__m256i sum, __m256i magnitude, __m256i w, __m256i v) {
  const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(v, w));
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  __asm__ volatile("" : "+x"(sum));
  return sum;
}

TROUPE_MIX void bytes(std::uint64_t rounds) {
  const __m256i flip = _mm256_set1_epi8(-128);
  __m256i stored = flip, activations = flip;
  __m256 sums[kTokens * kHalves] = {};
  const __m256 scale = _mm256_setzero_ps();
  for (std::uint64_t i = 0; i < rounds; ++i) {
    __m256i isums[kTokens * kHalves] = {};
    TROUPE_UNROLL for (int line = 0; line < 8; ++line) {
      __m256i w[kHalves], magnitude[kHalves];
      TROUPE_UNROLL for (int half = 0; half < kHalves; ++half) {
        w[half] = _mm256_xor_si256(other(stored), flip);
        magnitude[half] = _mm256_abs_epi8(w[half]);
      }
      TROUPE_UNROLL for (int n = 0; n < kTokens * kHalves; ++n) {
        isums[n] = add_signed_bytes(isums[n], magnitude[n % kHalves], w[n % kHalves], other(activations));
      }
    }
    TROUPE_UNROLL for (int n = 0; n < kTokens * kHalves; ++n) sums[n] = add_scaled<false>(sums[n], isums[n], scale);
  }
  keep(sums);
}

// 2^x (rule 5).
TROUPE_AVX2 __m256 power_of_two(__m256 x) {
  const __m256 c = _mm256_set1_ps(1.0F);
  const __m256 n = _mm256_round_ps(x, 8), f = _mm256_sub_ps(x, n);
  __m256 p = c;
  TROUPE_UNROLL for (int i = 0; i < 5; ++i) p = _mm256_fmadd_ps(p, f, other(c));
  const __m256i scaled = _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23));
  return _mm256_and_ps(_mm256_castsi256_ps(scaled), _mm256_cmp_ps(x, c, _CMP_NLT_UQ));
}

// A page of 16 positions and heads of 64, for three queries (rule 11). What a span costs once is left out.
constexpr int kQueries = 3, kHeadDim = 64;
constexpr double kPageOperations = 4.0 * 16 * kHeadDim * kQueries;
TROUPE_MIX void attention(std::uint64_t rounds) {
  const __m256i flip = _mm256_set1_epi8(-128);
  __m256i stored = flip, query = flip;
  __m256 unit = _mm256_setzero_ps();
  __m256 largest[2] = {}, total[2] = {};
  __m256i values[kQueries * kHalves] = {};
  alignas(32) std::int16_t weights[kQueries][16] = {};
  for (std::uint64_t i = 0; i < rounds; ++i) {
    __m256i scores[kQueries * kHalves] = {};
    for (int dims = 0; dims < kHeadDim; dims += 16) {
      TROUPE_UNROLL for (int line = 0; line < 4; ++line) {
        __m256i k[kHalves], magnitude[kHalves];
        TROUPE_UNROLL for (int half = 0; half < kHalves; ++half) {
          k[half] = _mm256_xor_si256(other(stored), flip);
          magnitude[half] = _mm256_abs_epi8(k[half]);
        }
        TROUPE_UNROLL for (int n = 0; n < kQueries * kHalves; ++n) {
          scores[n] = add_signed_bytes(scores[n], magnitude[n % kHalves], k[n % kHalves], other(query));
        }
      }
    }
    TROUPE_UNROLL for (int n = 0; n < kQueries * kHalves; ++n) {
      const int half = n % kHalves;
      const __m256 scale = _mm256_mul_ps(other(unit), other(unit));
      const __m256 score = _mm256_mul_ps(_mm256_cvtepi32_ps(scores[n]), scale);
      largest[half] = _mm256_max_ps(largest[half], score);
      const __m256 e = power_of_two(_mm256_sub_ps(score, other(unit)));
      total[half] = _mm256_add_ps(total[half], e);
      const __m256 weight = _mm256_mul_ps(e, other(unit));
      largest[half] = _mm256_max_ps(largest[half], weight);
      const __m256i p = _mm256_cvtps_epi32(_mm256_mul_ps(weight, other(unit)));
      const __m128i shorts = _mm_packs_epi32(_mm256_castsi256_si128(p), _mm256_extracti128_si256(p, 1));
      _mm_store_si128(reinterpret_cast<__m128i*>(weights[n / kHalves]) + half, shorts);
    }
    for (int dims = 0; dims < kHeadDim; dims += 16) {
      TROUPE_UNROLL for (int pair = 0; pair < 8; ++pair) {
        __m256i v[kHalves];
        TROUPE_UNROLL for (auto& half : v) half = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(other(stored)));
        TROUPE_UNROLL for (int n = 0; n < kQueries * kHalves; ++n) {
          values[n] = _mm256_add_epi32(values[n], _mm256_madd_epi16(v[n % kHalves], other(query)));
          __asm__ volatile("" : "+x"(values[n]));
        }
      }
    }
  }
  keep(largest), keep(total), keep(values), keep(weights);
}

// The same with AVX-512 VNNI: a register holds 16 rows.
namespace wide {

#define TROUPE_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"), always_inline)) inline
#define TROUPE_MIX_512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"), noinline))

template <class T>
TROUPE_AVX512 T other(T value) {
  __asm__ volatile("" : "+v"(value));
  return value;
}

constexpr int kTokens = 8;
constexpr double kBlockOperations = 2.0 * 16 * 32 * kTokens;

template <bool kMin>
TROUPE_AVX512 __m512 add_scaled(__m512 sum, __m512i isum, __m512 scale) {
  sum = _mm512_fmadd_ps(_mm512_cvtepi32_ps(isum), _mm512_mul_ps(scale, other(scale)), sum);
  return kMin ? _mm512_fmadd_ps(other(scale), other(scale), sum) : sum;
}

// 16 rows x 32 columns x 8 tokens a round; the zero point is where a sum starts.
template <bool kNibbles, bool kMin>
TROUPE_MIX_512 void codes(std::uint64_t rounds) {
  const __m512i mask = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
  __m512i stored = mask, activations = mask;
  __m512 sums[kTokens] = {};
  const __m512 scale = _mm512_setzero_ps();
  for (std::uint64_t i = 0; i < rounds; ++i) {
    __m512i isums[kTokens];
    TROUPE_UNROLL for (auto& isum : isums) isum = other(zero);
    TROUPE_UNROLL for (int line = 0; line < 8; ++line) {
      __m512i w = other(stored);
      if (kNibbles) w = _mm512_and_si512(line < 4 ? w : _mm512_srli_epi16(w, 4), mask);
      TROUPE_UNROLL for (auto& isum : isums) isum = other(_mm512_dpbusd_epi32(isum, w, other(activations)));
    }
    TROUPE_UNROLL for (int n = 0; n < kTokens; ++n) sums[n] = add_scaled<kMin>(sums[n], isums[n], scale);
  }
  keep(sums);
}

TROUPE_AVX512 __m512 power_of_two(__m512 x) {
  const __m512 c = _mm512_set1_ps(1.0F);
  const __m512 n = _mm512_roundscale_ps(x, 8), f = _mm512_sub_ps(x, n);
  __m512 p = c;
  TROUPE_UNROLL for (int i = 0; i < 5; ++i) p = _mm512_fmadd_ps(p, f, other(c));
  const __m512i scaled = _mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23));
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, c, _CMP_NLT_UQ), _mm512_castsi512_ps(scaled));
}

TROUPE_MIX_512 void attention(std::uint64_t rounds) {
  constexpr int kChunks = kHeadDim / 16;
  __m512i stored = _mm512_set1_epi8(1), query = stored;
  __m512 unit = _mm512_setzero_ps(), largest = unit, total = unit;
  __m512i values[kQueries * kChunks] = {};
  alignas(32) std::int16_t weights[kQueries][16] = {};
  for (std::uint64_t i = 0; i < rounds; ++i) {
    __m512i scores[kQueries] = {};
    TROUPE_UNROLL for (int line = 0; line < kHeadDim / 4; ++line) {
      const __m512i k = other(stored);
      TROUPE_UNROLL for (auto& score : scores) score = other(_mm512_dpbusd_epi32(score, k, other(query)));
    }
    TROUPE_UNROLL for (int n = 0; n < kQueries; ++n) {
      const __m512 scale = _mm512_mul_ps(other(unit), other(unit));
      const __m512 score = _mm512_mul_ps(_mm512_cvtepi32_ps(scores[n]), scale);
      largest = _mm512_max_ps(largest, score);
      const __m512 e = power_of_two(_mm512_sub_ps(score, other(unit)));
      total = _mm512_add_ps(total, e);
      const __m512 weight = _mm512_mul_ps(e, other(unit));
      largest = _mm512_max_ps(largest, weight);
      const __m512i p = _mm512_cvtps_epi32(_mm512_mul_ps(weight, other(unit)));
      _mm256_store_si256(reinterpret_cast<__m256i*>(weights[n]), _mm512_cvtepi32_epi16(p));
    }
    TROUPE_UNROLL for (int pair = 0; pair < 8; ++pair) {
      TROUPE_UNROLL for (int chunk = 0; chunk < kChunks; ++chunk) {
        const __m512i v = _mm512_cvtepi8_epi16(_mm512_castsi512_si256(other(stored)));
        TROUPE_UNROLL for (int n = 0; n < kQueries; ++n) {
          __m512i& value = values[chunk * kQueries + n];
          value = other(_mm512_dpwssd_epi32(value, v, other(query)));
        }
      }
    }
  }
  keep(largest), keep(total), keep(values), keep(weights);
}

}  // namespace wide

double rate(ThreadPool& pool, void (*mix)(std::uint64_t), double operations, bool quick) {
  constexpr int kTries = 5;
  const auto rounds = static_cast<std::uint64_t>((quick ? 5e7 : 2e9) / operations);  // some milliseconds
  double best = 1e9;
  pool.begin_step();
  for (int i = 0; i < kTries; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    pool.run(pool.threads(), [&](std::uint32_t, std::uint32_t) { mix(rounds); });
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  pool.end_step();
  return operations * static_cast<double>(rounds) * pool.threads() / best;
}
#endif

}  // namespace

#if defined(__x86_64__)
KernelBounds kernel_bounds(ThreadPool& pool, std::string_view table, bool quick) {
  if (table == "avx512" && cpu_features().avx512) {
    const auto of_codes = [&](auto mix) { return rate(pool, mix, wide::kBlockOperations, quick); };
    return {of_codes(wide::codes<true, false>), of_codes(wide::codes<true, true>), of_codes(wide::codes<false, false>),
            rate(pool, wide::attention, kPageOperations, quick)};
  }
  if (table != "avx2" || !cpu_features().avx2) return {};
  return {rate(pool, nibbles<false>, kBlockOperations, quick), rate(pool, nibbles<true>, kBlockOperations, quick),
          rate(pool, bytes, kBlockOperations, quick), rate(pool, attention, kPageOperations, quick)};
}
#else
KernelBounds kernel_bounds(ThreadPool&, std::string_view, bool) { return {}; }
#endif

}  // namespace troupe
