#pragma once
// The scalar arithmetic of the canon in plain C++: what the portable kernels are made of. Files that include this are
// compiled without contraction and without any instruction set flag.
#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>

static_assert(FLT_EVAL_METHOD == 0, "excess precision would change bits");
#ifdef __FAST_MATH__
#error "the canon does not survive -ffast-math"
#endif

namespace troupe::portable {

// a * b + c with one rounding, from double operations alone (a C library's own fmaf may be slow or wrong). The product
// is exact in double; the sum is rounded to odd, so that the last rounding to float is the only one that counts.
inline float fma(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = static_cast<double>(c);
  double sum = product + addend;
  const double back = sum - product;
  const double error = (product - (sum - back)) + (addend - back);  // TwoSum: exact
  if (error != 0.0) {
    auto bits = std::bit_cast<std::uint64_t>(sum);
    if ((bits & 1U) == 0) {
      bits = (error > 0) == (sum > 0) ? bits + 1 : bits - 1;
      sum = std::bit_cast<double>(bits);
    }
  }
  return static_cast<float>(sum);
}

// The nearest integer of |x| < 2^22, ties to even.
inline float rne(float x) {
  const float shifted = x + 0x1.8p23F;
  return shifted - 0x1.8p23F;
}

// Blocks smaller than this become zeros: no infinity, no subnormal scale.
inline constexpr float kTiny = 0x1p-100F;
inline float inv(float n, float m) { return m < kTiny ? 0.0F : n / m; }
inline float scl(float n, float m) { return m < kTiny ? 0.0F : m / n; }

inline float tree16(const float* lanes) {
  float sum[8];
  for (int i = 0; i < 8; ++i) sum[i] = lanes[i] + lanes[i + 8];
  for (int i = 0; i < 4; ++i) sum[i] = sum[i] + sum[i + 4];
  for (int i = 0; i < 2; ++i) sum[i] = sum[i] + sum[i + 2];
  return sum[0] + sum[1];
}

inline float max_abs(const float* v, std::uint32_t n) {
  float max = 0.0F;
  for (std::uint32_t i = 0; i < n; ++i) max = std::fabs(v[i]) > max ? std::fabs(v[i]) : max;
  return max;
}

// 2^x for x <= 126 (rule 5): relative error below 2.5e-7; never subnormal.
inline float exp2x(float x) {
  if (x < -80.0F) return 0.0F;
  const float n = rne(x);
  const float f = x - n;  // exact
  float p = 0x1.5bba14p-10F;
  p = fma(p, f, 0x1.3cea88p-7F);
  p = fma(p, f, 0x1.c6b752p-5F);
  p = fma(p, f, 0x1.ebf9bcp-3F);
  p = fma(p, f, 0x1.62e42ap-1F);
  p = fma(p, f, 1.0F);
  const auto exponent = static_cast<std::uint32_t>(static_cast<std::int32_t>(n));
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + (exponent << 23));  // p * 2^n, exact
}

// Rule 6.
inline float gate_mul(float gate, float exponent, float up) {
  const float e = exp2x(std::fmin(exponent, 100.0F));
  return (gate / (1.0F + e)) * up;
}
inline float silu_mul(float gate, float up) { return gate_mul(gate, gate * -0x1.715476p+0F, up); }
inline float gelu_mul(float gate, float up) {
  const float cubed = gate * fma(gate * gate, 0x1.6e4e26p-5F, 1.0F);
  return gate_mul(gate, cubed * -0x1.26aec2p+1F, up);
}

// Rule 13.
inline float soft_cap(float x, float slope, float limit) {
  const float e = exp2x(std::fmin(x * slope, 100.0F));
  return limit * ((e - 1.0F) / (e + 1.0F));
}

}  // namespace troupe::portable
