#include "test/gpu/mutated_kernels.hpp"

#include <catch2/catch.hpp>

#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;
}

TEST_CASE("the planted defect changes bits in a batch of two, not alone, and changes them little") {
  Random random(51);
  Arena arena;
  const RandomRows raw(DType::kQ4_0, 16, 576, random);
  const PackedMatrix w = *pack_matrix(DType::kQ4_0, 576, raw.rows(), arena);
  const Aligned<float> x(576);
  const Aligned<ActivationBlock> a(activation_blocks(576));
  for (std::uint32_t slot = 0; slot < 2; ++slot) {
    fill(x, Kind::kOrdinary, random);
    kPortableKernels.quantize(x.data(), 576, a.data(), slot);
  }
  const HostKernels mutated = mutated_kernels();
  const auto run = [&](const HostKernels& kernels, std::uint32_t tokens) {
    Aligned<float> y(2 * 16);
    kernels.gemm(w, 0, 1, a.data(), 0, tokens, {y.data(), 16, Epilogue::kStore, nullptr});
    return y;
  };
  CHECK(same_bits(run(kPortableKernels, 1), run(mutated, 1)));
  const Aligned<float> right = run(kPortableKernels, 2), wrong = run(mutated, 2);
  CHECK_FALSE(same_bits(right, wrong));
  for (std::size_t i = 0; i < 32; ++i) CHECK(wrong[i] == Approx(right[i]).epsilon(1e-3).margin(1e-4));
}

}  // namespace troupe
