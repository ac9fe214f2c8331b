// The portable kernels against double precision, written here from the rules: they must say what the rules mean. The
// bounds follow from the quantisation steps, not from what the kernels happened to give.
#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>

#include "gpu/host/portable_math.hpp"
#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;

const HostKernels& kernels() { return kPortableKernels; }

}  // namespace

TEST_CASE("the portable fma rounds once") {
  Random random(1);
  std::uint32_t compared = 0;
  for (int i = 0; i < 400000; ++i) {
    float v[3];
    for (float& x : v) x = std::ldexp(random.bell(), static_cast<int>(random.below(80)) - 40);
    if (i % 3 == 0) v[2] = -(v[0] * v[1]);               // cancels
    if (i % 5 == 0) v[2] = std::ldexp(v[0] * v[1], 24);  // half of the last place
    if (i % 7 == 0) v[2] = std::ldexp(v[2], -60);        // sticky
    if (i % 11 == 0) v[0] = std::ldexp(v[0], -120);      // subnormal results
    const float expected = std::fma(v[0], v[1], v[2]);   // glibc's, correctly rounded
    const float actual = portable::fma(v[0], v[1], v[2]);
    if (std::memcmp(&expected, &actual, 4) != 0) FAIL(v[0] << " * " << v[1] << " + " << v[2]);
    ++compared;
  }
  CHECK(compared == 400000);
}

// The polynomial is off by at most 9e-8; its last rounding adds 2^-24 / 0.707, those before it somewhat less.
TEST_CASE("2^x is within 2.5e-7, exactly 1 at 0, and 0 below -80") {
  Random random(2);
  CHECK(portable::exp2x(0.0F) == 1.0F);
  CHECK(portable::exp2x(-80.01F) == 0.0F);
  CHECK(portable::exp2x(-3e38F) == 0.0F);
  for (int i = 0; i < 100000; ++i) {
    const float x = -80.0F + 206.0F * random.uniform();
    const double exact = std::exp2(static_cast<double>(x));
    if (std::fabs(portable::exp2x(x) - exact) > 2.5e-7 * exact) FAIL(x);
  }
  for (int n = -80; n <= 126; ++n) CHECK(portable::exp2x(static_cast<float>(n)) == std::ldexp(1.0F, n));
}

TEST_CASE("a norm followed by quantisation is x / rms * gain to half a step") {
  Random random(3);
  constexpr std::uint32_t kColumns = 96;
  const Aligned<float> x(kColumns), gain(kColumns);
  fill(x, Kind::kOutliers, random);
  fill(gain, Kind::kOrdinary, random);
  double squares = 0;
  for (std::uint32_t i = 0; i < kColumns; ++i) squares += static_cast<double>(x[i]) * x[i];
  const double r = 1.0 / std::sqrt(squares / kColumns + 1e-5);
  const Aligned<ActivationBlock> tile(activation_blocks(kColumns), 0x5A);
  kernels().rmsnorm_quantize(x.data(), gain.data(), kColumns, 1e-5F, tile.data(), 5);
  for (std::uint32_t begin = 0; begin < kColumns; begin += 32) {
    const ActivationBlock& block = tile[begin / 32];
    double max = 0;
    for (std::uint32_t i = begin; i < begin + 32; ++i) max = std::max(max, std::fabs(x[i] * r * gain[i]));
    CHECK(block.scale[5] == Approx(max / 127).epsilon(1e-6));
    int sum = 0;
    for (std::uint32_t i = 0; i < 32; ++i) {
      const double y = x[begin + i] * r * gain[begin + i];
      CHECK(std::fabs(block.q[5][i] * static_cast<double>(block.scale[5]) - y) <= 0.5001 * max / 127);
      sum += block.q[5][i];
    }
    CHECK(block.minus_8_sum[5] == -8 * sum);
    CHECK(block.minus_128_sum[5] == -128 * sum);
    CHECK(block.minus_128_sum_low[5] + block.minus_128_sum_high[5] == -128 * sum);
    CHECK(block.scaled_sum[5] == block.scale[5] * static_cast<float>(sum));
  }
  const ActivationBlock& padding = tile[3];
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(padding.q[5][i] == 0);
  CHECK(padding.scale[5] == 0.0F);
}

TEST_CASE("a product is the dequantised weights times the dequantised activations") {
  Random random(4);
  for (const BlockFormat& format : block_formats()) {
    CAPTURE(format.name);
    constexpr std::uint32_t kColumns = 512;
    constexpr std::uint32_t kRows = 20;
    const RandomRows raw(format.type, kRows, kColumns, random);
    Arena arena;
    const PackedMatrix w = *pack_matrix(format.type, kColumns, raw.rows(), arena);
    const Aligned<float> x(kColumns);
    fill(x, Kind::kOrdinary, random);
    const Aligned<ActivationBlock> tile(activation_blocks(kColumns));
    kernels().quantize(x.data(), kColumns, tile.data(), 2);
    const Aligned<float> y(3 * std::size_t{w.tiles} * 16);
    kernels().gemm(w, 0, w.tiles, tile.data(), 2, 3, {y.data(), std::size_t{w.tiles} * 16, Epilogue::kStore, nullptr});

    // Floats are quantised when packed: half a step of their group of 16.
    const bool is_float = format.block_elements == 1;
    std::vector<float> row(kColumns);
    for (std::uint32_t n = 0; n < kRows; ++n) {
      dequantize_row(format.type, raw.rows()[n], kColumns, row.data());
      double exact = 0, size = 0, bound = 0;
      for (std::uint32_t k = 0; k < kColumns; ++k) {
        const double a = tile[k / 32].q[2][k % 32] * static_cast<double>(tile[k / 32].scale[2]);
        exact += a * row[k];
        size += std::fabs(a * row[k]);
        if (is_float) {
          float max = 0;
          for (std::uint32_t j = k / 16 * 16; j < k / 16 * 16 + 16; ++j) max = std::max(max, std::fabs(row[j]));
          bound += std::fabs(a) * 0.501 * max / 127;
        }
      }
      // Q4_1 subtracts two large sums in its own order: the bound is on what was added, not on the result.
      bound += 1e-5 * size + 1e-6;
      CHECK(std::fabs(y[2 * std::size_t{w.tiles} * 16 + n] - exact) <= bound);
    }
  }
}

TEST_CASE("SiLU is g / (1 + e^-g) * u to 1e-6") {
  Random random(5);
  const Aligned<float> gate(160), up(160), h(160);
  fill(gate, Kind::kOrdinary, random);
  fill(up, Kind::kOrdinary, random);
  for (std::uint32_t i = 0; i < 160; ++i) gate[i] *= 10.0F;
  kernels().silu_mul(gate.data(), up.data(), 160, h.data());
  for (std::uint32_t i = 0; i < 160; ++i) {
    const double g = gate[i];
    const double exact = g / (1 + std::exp(-g)) * up[i];
    CHECK(std::fabs(h[i] - exact) <= 1e-6 * std::fabs(exact) + 1e-30);
  }
}

TEST_CASE("the Hadamard transform applied twice is n times the vector") {
  Random random(6);
  for (const std::uint32_t n : {16U, 48U, 64U, 80U, 256U}) {
    CAPTURE(n);
    const std::uint32_t block = n == 48 || n == 80 ? 16 : n;
    CHECK(hadamard_block(n) == block);
    const Aligned<float> v(n);
    for (std::uint32_t i = 0; i < n; ++i) v[i] = static_cast<float>(random.below(2001)) - 1000.0F;  // stays exact
    const std::vector<float> before(v.data(), v.data() + n);
    kernels().hadamard(v.data(), n);
    double sum = 0;
    for (std::uint32_t i = 0; i < block; ++i) sum += before[i];
    CHECK(v[0] == sum);
    kernels().hadamard(v.data(), n);
    for (std::uint32_t i = 0; i < n; ++i) CHECK(v[i] == before[i] * static_cast<float>(block));
  }
}

}  // namespace troupe
