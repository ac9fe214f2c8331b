// Every optimised kernel over one row equals the portable one bit for bit.
#include <catch2/catch.hpp>

#include "gpu/host/kv_layout.hpp"
#include "test/gpu/kernel_tables.hpp"
#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;

constexpr std::uint64_t kSeed = 20240817;

// One token in a tile of a pattern, so that a write into another slot is seen.
struct QuantizedRow {
  explicit QuantizedRow(std::uint32_t columns) : blocks(activation_blocks(columns), 0x5A) {}
  Aligned<ActivationBlock> blocks;
};

}  // namespace

TEST_CASE("norms and activations are the same bits on every instruction set") {
  Random random(kSeed);
  for (const HostKernels* kernels : tested_kernels()) {
    for (const Kind kind : kKinds) {
      for (const std::uint32_t columns : {32U, 64U, 96U, 576U, 1536U, 32U * (1 + random.below(40))}) {
        CAPTURE(kernels->name, static_cast<int>(kind), columns);
        const Aligned<float> x(columns);
        const Aligned<float> gain(columns);
        fill(x, kind, random);
        fill(gain, Kind::kOrdinary, random);
        const std::uint32_t slot = random.below(kTokenTile);

        const QuantizedRow expected(columns), actual(columns);
        kPortableKernels.quantize(x.data(), columns, expected.blocks.data(), slot);
        kernels->quantize(x.data(), columns, actual.blocks.data(), slot);
        CHECK(same_bits(expected.blocks, actual.blocks));

        kPortableKernels.rmsnorm_quantize(x.data(), gain.data(), columns, 1e-5F, expected.blocks.data(), slot);
        kernels->rmsnorm_quantize(x.data(), gain.data(), columns, 1e-5F, actual.blocks.data(), slot);
        CHECK(same_bits(expected.blocks, actual.blocks));

        const Aligned<float> norm(columns), in_place(columns);
        kPortableKernels.rmsnorm(x.data(), gain.data(), columns, 1e-6F, norm.data());
        std::memcpy(in_place.data(), x.data(), x.bytes());
        kernels->rmsnorm(in_place.data(), gain.data(), columns, 1e-6F, in_place.data());
        CHECK(same_bits(norm, in_place));
      }
    }
  }
}

TEST_CASE("a tile's activations at once are those of its rows on every instruction set") {
  Random random(kSeed + 2);
  for (const HostKernels* kernels : tested_kernels()) {
    for (const Kind kind : kKinds) {
      for (const std::uint32_t columns : {32U, 64U, 96U, 576U, 32U * (1 + random.below(40))}) {
        CAPTURE(kernels->name, static_cast<int>(kind), columns);
        const std::size_t stride = columns + 16 * random.below(3);
        const Aligned<float> x(kTokenTile * stride), gain(columns);
        fill(x, kind, random);
        fill(gain, Kind::kOrdinary, random);
        const QuantizedRow expected(columns), actual(columns);
        for (std::uint32_t slot = 0; slot < kTokenTile; ++slot)
          kPortableKernels.quantize(x.data() + slot * stride, columns, expected.blocks.data(), slot);
        kernels->quantize_tile(x.data(), stride, columns, actual.blocks.data());
        CHECK(same_bits(expected.blocks, actual.blocks));

        for (std::uint32_t slot = 0; slot < kTokenTile; ++slot)
          kPortableKernels.rmsnorm_quantize(x.data() + slot * stride, gain.data(), columns, 1e-5F,
                                            expected.blocks.data(), slot);
        kernels->rmsnorm_quantize_tile(x.data(), stride, gain.data(), columns, 1e-5F, actual.blocks.data());
        CHECK(same_bits(expected.blocks, actual.blocks));
      }
    }
  }
}

TEST_CASE("powers of two, SiLU, GELU and soft caps are the same bits on every instruction set") {
  Random random(kSeed + 1);
  for (const HostKernels* kernels : tested_kernels()) {
    CAPTURE(kernels->name);
    const Aligned<float> x(64 * 1024 + 5), expected(x.size()), actual(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = -120.0F + 246.0F * random.uniform();
    const float edges[] = {-80.0F, std::nextafter(-80.0F, -81.0F), 0.0F, -0.0F, 0.5F, -0.5F, 1.5F, 126.0F, -3e38F};
    std::memcpy(x.data(), edges, sizeof edges);
    kPortableKernels.exp2(x.data(), static_cast<std::uint32_t>(x.size()), expected.data());
    kernels->exp2(x.data(), static_cast<std::uint32_t>(x.size()), actual.data());
    CHECK(same_bits(expected, actual));

    for (const Kind kind : kKinds) {
      const Aligned<float> gate(4096), up(4096), h(4096), g(4096);
      fill(gate, kind, random);
      fill(up, Kind::kWild, random);
      for (std::size_t i = 0; i < gate.size(); ++i) gate[i] *= 40.0F;
      for (const Epilogue how : {Epilogue::kSiluMul, Epilogue::kGeluMul}) {
        kPortableKernels.gate_mul(how, gate.data(), up.data(), 4096, h.data());
        kernels->gate_mul(how, gate.data(), up.data(), 4096, g.data());
        CHECK(same_bits(h, g));
      }
      for (const std::uint32_t n : {4096U, 4095U, 17U, 3U}) {
        for (const SoftCap cap : {logit_cap(30.0), score_cap(50.0), SoftCap{}}) {
          kPortableKernels.soft_cap(gate.data(), n, cap, h.data());
          std::memcpy(g.data(), gate.data(), gate.bytes());
          kernels->soft_cap(g.data(), n, cap, g.data());
          CHECK(std::memcmp(h.data(), g.data(), n * sizeof(float)) == 0);
        }
      }
    }
  }
}

TEST_CASE("rotation and Hadamard transform are the same bits on every instruction set") {
  Random random(kSeed + 2);
  for (const HostKernels* kernels : tested_kernels()) {
    for (std::uint32_t dims = 16; dims <= kHeadDimMax; dims += 16) {
      CAPTURE(kernels->name, dims);
      const Aligned<float> table(dims), expected(dims), actual(dims);
      fill(table, Kind::kOrdinary, random);
      fill(expected, Kind::kWild, random);
      std::memcpy(actual.data(), expected.data(), expected.bytes());
      for (const std::uint32_t rotated : {dims, dims / 2, std::uint32_t{2}}) {
        kPortableKernels.rope(expected.data(), table.data(), rotated);
        kernels->rope(actual.data(), table.data(), rotated);
        CHECK(same_bits(expected, actual));
      }
      kPortableKernels.hadamard(expected.data(), dims);
      kernels->hadamard(actual.data(), dims);
      CHECK(same_bits(expected, actual));
    }
  }
}

TEST_CASE("of equal maxima the lowest index wins, on every instruction set") {
  Random random(kSeed + 3);
  auto tables = tested_kernels();
  tables.push_back(&kPortableKernels);
  for (const HostKernels* kernels : tables) {
    for (const std::uint32_t n : {1U, 2U, 15U, 16U, 17U, 31U, 33U, 49152U, 49153U}) {
      for (int round = 0; round < 4; ++round) {
        CAPTURE(kernels->name, n, round);
        std::vector<float> logits(n);
        for (float& logit : logits) logit = std::floor(random.bell() * (round == 0 ? 0.4F : 3.0F));
        if (round == 3) logits[n - 1] = 100.0F;
        std::uint32_t index = 0;
        for (std::uint32_t i = 0; i < n; ++i) index = logits[i] > logits[index] ? i : index;
        const MaxLogit max = kernels->max_logit(logits.data(), n);
        CHECK(max.index == index);
        CHECK(max.value == logits[index]);
      }
    }
  }
}

}  // namespace troupe
