#pragma once
// IEEE half and bfloat16 to and from float, on integers alone: no instruction set, no rounding mode involved.
#include <bit>
#include <cstdint>

namespace troupe {

// Exact for every half, subnormals, infinities and NaNs included.
constexpr float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t exponent = (half >> 10) & 31U;
  const std::uint32_t mantissa = half & 1023U;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

constexpr float bf16_to_f32(std::uint16_t value) { return std::bit_cast<float>(std::uint32_t{value} << 16); }

constexpr bool f16_is_finite(std::uint16_t half) { return (half & 0x7C00U) != 0x7C00U; }

// To nearest, ties to even; too large becomes infinity, NaN stays NaN (quiet).
std::uint16_t f32_to_f16(float value);
std::uint16_t f32_to_bf16(float value);

}  // namespace troupe
