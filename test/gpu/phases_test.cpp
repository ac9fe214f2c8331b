// The phases over a pool: same bits for every number of threads, and attention plans that cover every head once.
#include "gpu/host/phases.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;

constexpr std::uint32_t kLayers = 2;
constexpr std::uint32_t kHeadDim = 32;

RopeParameters rope_parameters() {
  RopeParameters parameters;
  parameters.positions = 512;
  parameters.dims = kHeadDim;
  return parameters;
}

// Two sequences (a chunk and a single token) through one layer of attention; the rest of a layer around it.
struct Layer {
  static constexpr std::uint32_t kHeads = 6, kKvHeads = 2, kHidden = 96, kFfn = 160, kTokens = 24;
  static constexpr std::uint32_t kQkv = (kHeads + 2 * kKvHeads) * kHeadDim;

  Layer()
      : random(41),
        qkv_rows(DType::kQ4_1, kQkv, kHidden, random),
        gate_rows(DType::kQ4_0, kFfn, kHidden, random),
        up_rows(DType::kQ4_0, kFfn, kHidden, random),
        down_rows(DType::kQ8_0, kHidden, kFfn, random),
        o_rows(DType::kF32, kHidden, kHeads * kHeadDim, random),
        rope(*RopeTable::make(rope_parameters())) {
    qkv = *pack_matrix(DType::kQ4_1, kHidden, qkv_rows.rows(), arena);
    gate_up = *pack_matrix(DType::kQ4_0, kHidden, interleave_gate_up(gate_rows.rows(), up_rows.rows()), arena);
    down = *pack_matrix(DType::kQ8_0, kFfn, down_rows.rows(), arena);
    o = *pack_matrix(DType::kF32, kHeads * kHeadDim, o_rows.rows(), arena);
  }

  Aligned<float> run(const HostKernels& kernels, std::uint32_t threads) const {
    ThreadPool pool(threads);
    const Host host{pool, kernels};
    Random values(42);
    const Aligned<float> gain(kHidden);
    Aligned<float> x(kTokens * kHidden);
    fill(gain, Kind::kOrdinary, values);
    fill(x, Kind::kOrdinary, values);
    const Aligned<ActivationBlock> a(activation_bytes(kTokens, 256) / sizeof(ActivationBlock), 0x5A);
    const Aligned<float> projected(kTokens * kQkv), attended(kTokens * kHeads * kHeadDim), h(kTokens * kFfn);
    const KvLayout layout{kLayers, kKvHeads, kHeadDim};
    const Aligned<std::byte> memory(8 * layout.block_bytes());
    const KvPool kv{layout, memory.data()};
    const std::uint32_t first[] = {5, 2}, second[] = {7, 0};
    const SequenceRows sequences[] = {{0, 23, 0, first}, {23, 1, 0, second}};
    AttentionPlan plan({kHeads, kKvHeads, kHeadDim, score_scale(kHeadDim), &rope}, kTokens);
    plan.build(sequences, threads);

    pool.begin_step();
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
      rmsnorm_quantize(host, {x.data(), kHidden}, gain.data(), kHidden, 1e-5F, kTokens, a.data());
      linear(host, qkv, a.data(), kTokens, {projected.data(), kQkv, Epilogue::kStore, nullptr});
      append_kv(host, plan, kv, layer, projected.data(), kQkv);
      attention(host, plan, kv, layer, {projected.data(), kQkv}, attended.data(), kHeads * kHeadDim);
      quantize(host, {attended.data(), kHeads * kHeadDim}, kHeads * kHeadDim, kTokens, a.data());
      linear(host, o, a.data(), kTokens, {x.data(), kHidden, Epilogue::kAdd, nullptr});
      rmsnorm_quantize(host, {x.data(), kHidden}, gain.data(), kHidden, 1e-5F, kTokens, a.data());
      linear(host, gate_up, a.data(), kTokens, {h.data(), kFfn, Epilogue::kSiluMul, nullptr});
      quantize(host, {h.data(), kFfn}, kFfn, kTokens, a.data());
      linear(host, down, a.data(), kTokens, {x.data(), kHidden, Epilogue::kAdd, nullptr});
    }
    pool.end_step();
    return x;
  }

  Random random;
  RandomRows qkv_rows, gate_rows, up_rows, down_rows, o_rows;
  RopeTable rope;
  Arena arena;
  PackedMatrix qkv, gate_up, down, o;
};

}  // namespace

TEST_CASE("contract 2: layers give the same bits on every instruction set and number of threads") {
  const Layer layer;
  const Aligned<float> expected = layer.run(kPortableKernels, 1);
  auto tables = optimised_kernels();
  tables.push_back(&kPortableKernels);
  for (const HostKernels* kernels : tables) {
    for (const std::uint32_t threads : {1U, 2U, 5U}) {
      CAPTURE(kernels->name, threads);
      CHECK(same_bits(expected, layer.run(*kernels, threads)));
    }
  }
}

TEST_CASE("a plan covers every head of every row once, and never leaves a page") {
  Random random(43);
  const std::vector<std::uint32_t> blocks(64, 0);
  for (const auto& [heads, kv_heads] :
       std::map<std::uint32_t, std::uint32_t>{{9, 3}, {4, 4}, {14, 2}, {24, 2}, {8, 1}}) {
    for (const std::uint32_t threads : {1U, 2U, 64U}) {
      CAPTURE(heads, kv_heads, threads);
      AttentionPlan plan({heads, kv_heads, 16, 1.0F, nullptr}, 200);
      std::vector<SequenceRows> sequences;
      std::uint32_t rows = 0;
      while (rows < 150) {
        const std::uint32_t count = 1 + random.below(40);
        sequences.push_back({rows, count, random.below(500), blocks.data()});
        rows += count;
      }
      plan.build(sequences, threads);
      REQUIRE(plan.rows().size() == rows);
      std::vector<int> seen(rows * heads, 0);
      for (const AttentionPlan::Item& item : plan.items()) {
        REQUIRE(item.tokens * item.heads <= kQueryRowsMax);
        REQUIRE(item.heads >= 1);
        const std::uint32_t last = item.first_row + item.tokens - 1;
        CHECK(plan.rows()[item.first_row].position / 16 == plan.rows()[last].position / 16);
        CHECK(plan.rows()[last].position - plan.rows()[item.first_row].position + 1 == item.tokens);
        for (std::uint32_t row = item.first_row; row <= last; ++row) {
          for (std::uint32_t head = item.first_head; head < item.first_head + std::uint32_t{item.heads}; ++head) {
            CHECK(head / (heads / kv_heads) == item.kv_head);
            ++seen[row * heads + head];
          }
        }
      }
      CHECK(seen == std::vector<int>(rows * heads, 1));
    }
  }
}

TEST_CASE("the rows that sample can be picked for the head") {
  Random random(44);
  ThreadPool pool(2);
  const Host host{pool, kPortableKernels};
  const Aligned<float> x(5 * 64), gain(64);
  fill(x, Kind::kOrdinary, random);
  fill(gain, Kind::kOrdinary, random);
  const Aligned<ActivationBlock> picked(2), alone(2);
  const std::uint32_t order[] = {4, 1};
  rmsnorm_quantize(host, {x.data(), 64}, gain.data(), 64, 1e-5F, 2, picked.data(), order);
  kPortableKernels.rmsnorm_quantize(x.data() + 4 * 64, gain.data(), 64, 1e-5F, alone.data(), 0);
  kPortableKernels.rmsnorm_quantize(x.data() + 1 * 64, gain.data(), 64, 1e-5F, alone.data(), 1);
  CHECK(same_bits(picked, alone));
}

}  // namespace troupe
