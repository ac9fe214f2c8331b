#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "tensor/half.hpp"
#include "tensor/shape.hpp"

namespace troupe {

TEST_CASE("every finite half survives the way to float and back") {
  for (std::uint32_t half = 0; half <= 0xFFFF; ++half) {
    const auto bits = static_cast<std::uint16_t>(half);
    if (f16_is_finite(bits) && f32_to_f16(f16_to_f32(bits)) != bits) FAIL("half " << half);
  }
}

TEST_CASE("a half is sign, exponent and fraction as IEEE 754 says") {
  for (std::uint32_t half = 0; half <= 0x7BFF; ++half) {
    const int exponent = static_cast<int>(half >> 10);
    const double fraction = half & 1023U;
    const double value = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    if (f16_to_f32(static_cast<std::uint16_t>(half)) != value) FAIL("half " << half);
    if (f16_to_f32(static_cast<std::uint16_t>(half | 0x8000U)) != -value) FAIL("half -" << half);
  }
  CHECK(std::isinf(f16_to_f32(0x7C00)));
  CHECK(std::isnan(f16_to_f32(0x7C01)));
}

TEST_CASE("rounding to half goes to the nearest, ties to even") {
  CHECK(f32_to_f16(1.0F + 0x1p-11F) == 0x3C00);             // a tie: down to even
  CHECK(f32_to_f16(1.0F + 3 * 0x1p-11F) == 0x3C02);         // a tie: up to even
  CHECK(f32_to_f16(1.0F + 0x1p-11F + 0x1p-20F) == 0x3C01);  // just above the tie
  CHECK(f32_to_f16(0x1p-25F) == 0x0000);                    // a tie between 0 and the smallest
  CHECK(f32_to_f16(3 * 0x1p-25F) == 0x0002);
  CHECK(f32_to_f16(-0x1p-24F) == 0x8001);
  CHECK(f32_to_f16(0x1.ff8p-15F) == 0x03FF);  // the largest subnormal
  CHECK(f32_to_f16(0x1.ffcp-15F) == 0x0400);  // a tie: up to the smallest normal
  CHECK(f32_to_f16(65519.0F) == 0x7BFF);
  CHECK(f32_to_f16(65520.0F) == 0x7C00);
  CHECK(f32_to_f16(-std::numeric_limits<float>::infinity()) == 0xFC00);
  CHECK(std::isnan(f16_to_f32(f32_to_f16(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(f32_to_f16(0.0123F) == 0x224C);  // half(0.0123) = 0x224C
}

TEST_CASE("rounding to bfloat16 goes to the nearest, ties to even") {
  CHECK(f32_to_bf16(1.0F) == 0x3F80);
  CHECK(f32_to_bf16(1.0F + 0x1p-8F) == 0x3F80);
  CHECK(f32_to_bf16(1.0F + 3 * 0x1p-8F) == 0x3F82);
  CHECK(f32_to_bf16(-1.0F - 0x1p-8F - 0x1p-20F) == 0xBF81);
  CHECK(f32_to_bf16(std::numeric_limits<float>::max()) == 0x7F80);
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST_CASE("a size that does not fit 64 bits is no size") {
  CHECK_FALSE(checked_multiply(std::uint64_t{1} << 32, std::uint64_t{1} << 32));
  CHECK(checked_multiply(std::uint64_t{1} << 32, (std::uint64_t{1} << 32) - 1) == 0xFFFFFFFF00000000U);
  CHECK_FALSE(checked_add(~std::uint64_t{0}, 1));
  const std::uint64_t wide[] = {std::uint64_t{1} << 40, 0, std::uint64_t{1} << 40};
  CHECK(checked_elements(wide) == 0U);
  const std::uint64_t deep[] = {std::uint64_t{1} << 40, std::uint64_t{1} << 40};
  CHECK_FALSE(checked_elements(deep));
  CHECK(checked_elements({}) == 1U);
  CHECK(round_up(0, 64) == 0);
  CHECK(round_up(65, 64) == 128);
}

}  // namespace troupe
