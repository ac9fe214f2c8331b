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
  const ActivationBlock& padding = tile[3];  // whoever needs it zero says so
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(padding.q[5][i] == 0x5A);
  zero_slot(tile[3], 5);
  for (std::uint32_t i = 0; i < 32; ++i) CHECK(padding.q[5][i] == 0);
  CHECK(padding.scale[5] == 0.0F);
  CHECK(padding.q[4][0] == 0x5A);
}

TEST_CASE("a product is the dequantised weights times the activations, dequantised or as they are") {
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
    const std::size_t stride = std::size_t{w.tiles} * 16;
    const Aligned<float> y(3 * stride);
    const GemmOutput out{y.data(), stride, Epilogue::kStore, nullptr};
    if (is_float(format.type)) kernels().gemm_floats(w, 0, w.tiles, x.data(), 0, 2, 3, out);
    if (!is_float(format.type)) kernels().gemm(w, 0, w.tiles, tile.data(), 2, 3, out);

    std::vector<float> row(kColumns);
    for (std::uint32_t n = 0; n < kRows; ++n) {
      dequantize_row(format.type, raw.rows()[n], kColumns, row.data());
      double exact = 0, size = 0;
      for (std::uint32_t k = 0; k < kColumns; ++k) {
        double a = tile[k / 32].q[2][k % 32] * static_cast<double>(tile[k / 32].scale[2]);
        if (is_float(format.type)) a = static_cast<double>(x[k]);
        exact += a * static_cast<double>(row[k]);
        size += std::fabs(a * static_cast<double>(row[k]));
      }
      // Q4_1 subtracts two large sums in its own order: the bound is on what was added, not on the result.
      CHECK(std::fabs(static_cast<double>(y[2 * stride + n]) - exact) <= 1e-5 * size + 1e-6);
    }
  }
}

TEST_CASE("SiLU is g / (1 + e^-g) * u to 1e-6") {
  Random random(5);
  const Aligned<float> gate(160), up(160), h(160);
  fill(gate, Kind::kOrdinary, random);
  fill(up, Kind::kOrdinary, random);
  for (std::uint32_t i = 0; i < 160; ++i) gate[i] *= 10.0F;
  kernels().gate_mul(Epilogue::kSiluMul, gate.data(), up.data(), 160, h.data());
  for (std::uint32_t i = 0; i < 160; ++i) {
    const double g = gate[i];
    const double exact = g / (1 + std::exp(-g)) * up[i];
    CHECK(std::fabs(h[i] - exact) <= 1e-6 * std::fabs(exact) + 1e-30);
  }
}

TEST_CASE("GELU is g / 2 * (1 + tanh(sqrt(2 / pi) * (g + 0.044715 g^3))) * u to 1e-6") {
  Random random(51);
  const Aligned<float> gate(160), up(160), h(160);
  fill(gate, Kind::kOrdinary, random);
  fill(up, Kind::kOrdinary, random);
  kernels().gate_mul(Epilogue::kGeluMul, gate.data(), up.data(), 160, h.data());
  for (std::uint32_t i = 0; i < 160; ++i) {
    const double g = gate[i];
    // 1 + tanh(x) cancels for large negative x, 2 / (1 + e^-2x) does not.
    const double x = std::sqrt(2 / 3.14159265358979323846) * (g + 0.044715 * g * g * g);
    const double exact = g / (1 + std::exp(-2 * x)) * up[i];
    CHECK(std::fabs(h[i] - exact) <= 4e-6 * std::fabs(exact) + 1e-30);
  }
  const Aligned<float> edge(16), one(16), out(16);
  for (std::uint32_t i = 0; i < 16; ++i) edge[i] = i % 2 == 0 ? -1e20F : 1e20F, one[i] = 1.0F;
  kernels().gate_mul(Epilogue::kGeluMul, edge.data(), one.data(), 16, out.data());
  CHECK(std::fabs(out[0]) < 1e-9F);
  CHECK(out[1] == 1e20F);
}

TEST_CASE("a soft cap is cap * tanh(x / cap), of logits and of scores in powers of two") {
  Random random(52);
  const Aligned<float> x(256), y(256);
  for (const double cap : {30.0, 50.0}) {
    for (std::uint32_t i = 0; i < 256; ++i) x[i] = random.bell() * (i < 128 ? 5.0F : 200.0F);
    kernels().soft_cap(x.data(), 256, logit_cap(cap), y.data());
    for (std::uint32_t i = 0; i < 256; ++i) CHECK(std::fabs(y[i] - cap * std::tanh(x[i] / cap)) <= 5e-7 * cap);
    kernels().soft_cap(x.data(), 256, score_cap(cap), y.data());
    const double log2e = 1.4426950408889634;
    for (std::uint32_t i = 0; i < 256; ++i) {
      CHECK(std::fabs(y[i] - log2e * cap * std::tanh(x[i] / log2e / cap)) <= 5e-7 * log2e * cap);
    }
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
