#pragma once
// AVX-512 and AVX-VNNI on a CPU with AVX2, FMA and F16C: SIMDe's functions under the intrinsics' names, and what SIMDe
// 0.7.4 lacks of those that gpu/host/simd/ uses. Before a kernels file; the file's results are those of the real
// instructions.
#define SIMDE_ENABLE_NATIVE_ALIASES
#define SIMDE_NO_INLINE  // a call costs less than compiling what is unrolled a thousand times
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>

#include <cstdint>

#define TROUPE_CALLED [[maybe_unused]] static __attribute__((noinline))

namespace troupe::test {

TROUPE_CALLED __m512 join(__m256 low, __m256 high) {
  simde__m512_private both;
  both.m256[0] = low;
  both.m256[1] = high;
  return simde__m512_from_private(both);
}
TROUPE_CALLED __m512i join(__m256i low, __m256i high) {
  simde__m512i_private both;
  both.m256i[0] = low;
  both.m256i[1] = high;
  return simde__m512i_from_private(both);
}
TROUPE_CALLED __m256 half(__m512 a, int i) { return simde__m512_to_private(a).m256[i]; }
TROUPE_CALLED __m256i half(__m512i a, int i) { return simde__m512i_to_private(a).m256i[i]; }
TROUPE_CALLED __m128i half(__m256i a, int i) { return simde__m256i_to_private(a).m128i[i]; }

TROUPE_CALLED __m512i to_ints(__m512 a) { return join(_mm256_cvtps_epi32(half(a, 0)), _mm256_cvtps_epi32(half(a, 1))); }
TROUPE_CALLED __m512 to_floats(__m512i a) {
  return join(_mm256_cvtepi32_ps(half(a, 0)), _mm256_cvtepi32_ps(half(a, 1)));
}
TROUPE_CALLED __m512 from_halves(__m256i a) { return join(_mm256_cvtph_ps(half(a, 0)), _mm256_cvtph_ps(half(a, 1))); }
TROUPE_CALLED __m512i from_unsigned_shorts(__m256i a) {
  return join(_mm256_cvtepu16_epi32(half(a, 0)), _mm256_cvtepu16_epi32(half(a, 1)));
}
TROUPE_CALLED __m512i from_bytes(__m128i a) {
  return join(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(_mm_srli_si128(a, 8)));
}
TROUPE_CALLED __m128i to_bytes(__m512i a) {  // the lowest 8 bits of each
  const simde__m512i_private from = simde__m512i_to_private(a);
  simde__m128i_private to;
  for (int i = 0; i < 16; ++i) to.i8[i] = static_cast<std::int8_t>(from.i32[i]);
  return simde__m128i_from_private(to);
}
TROUPE_CALLED __m256i to_shorts(__m512i a) {
  const simde__m512i_private from = simde__m512i_to_private(a);
  simde__m256i_private to;
  for (int i = 0; i < 16; ++i) to.i16[i] = static_cast<std::int16_t>(from.i32[i]);
  return simde__m256i_from_private(to);
}
TROUPE_CALLED float largest(__m512 a) {
  const simde__m512_private lanes = simde__m512_to_private(a);
  float most = lanes.f32[0];
  for (int i = 1; i < 16; ++i) most = lanes.f32[i] > most ? lanes.f32[i] : most;
  return most;
}

}  // namespace troupe::test

// NOLINTBEGIN(bugprone-reserved-identifier): the names are the instructions'.
#undef _mm512_cvtps_epi32
#define _mm512_cvtps_epi32(a) troupe::test::to_ints(a)
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps(a) troupe::test::to_floats(a)
#undef _mm512_cvtph_ps
#define _mm512_cvtph_ps(a) troupe::test::from_halves(a)
#undef _mm512_cvtps_ph
#define _mm512_cvtps_ph(a, rounding)                                        \
  _mm256_set_m128i(_mm256_cvtps_ph(troupe::test::half((a), 1), (rounding)), \
                   _mm256_cvtps_ph(troupe::test::half((a), 0), (rounding)))
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtepu16_epi32(a) troupe::test::from_unsigned_shorts(a)
#undef _mm512_cvtepi8_epi32
#define _mm512_cvtepi8_epi32(a) troupe::test::from_bytes(a)
#undef _mm512_cvtepi32_epi8
#define _mm512_cvtepi32_epi8(a) troupe::test::to_bytes(a)
#undef _mm512_cvtepi32_epi16
#define _mm512_cvtepi32_epi16(a) troupe::test::to_shorts(a)
#undef _mm512_extractf32x8_ps
#define _mm512_extractf32x8_ps(a, i) troupe::test::half((a), (i))
#undef _mm512_permute_ps
#define _mm512_permute_ps(a, order)                                          \
  troupe::test::join(_mm256_permute_ps(troupe::test::half((a), 0), (order)), \
                     _mm256_permute_ps(troupe::test::half((a), 1), (order)))
#undef _mm512_reduce_max_ps
#define _mm512_reduce_max_ps(a) troupe::test::largest(a)

#undef _mm512_shuffle_f32x4
#define _mm512_shuffle_f32x4(a, b, order) simde_mm512_shuffle_f32x4((a), (b), (order))

// The same instructions in AVX-VNNI's encoding have names of their own.
#undef _mm256_dpbusd_avx_epi32
#define _mm256_dpbusd_avx_epi32(sum, a, b) simde_mm256_dpbusd_epi32((sum), (a), (b))
#undef _mm256_dpwssd_avx_epi32
#define _mm256_dpwssd_avx_epi32(sum, a, b) simde_mm256_dpwssd_epi32((sum), (a), (b))
// NOLINTEND(bugprone-reserved-identifier)
