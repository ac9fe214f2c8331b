// The phases over a pool: same bits for every number of threads.
#include "gpu/host/phases.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "gpu/host/pieces.hpp"
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
    const Aligned<float> gain(kHidden), head_gain(kHeadDim);
    Aligned<float> x(kTokens * kHidden), after(kTokens * kHidden);
    fill(gain, Kind::kOrdinary, values);
    fill(head_gain, Kind::kOrdinary, values);
    fill(x, Kind::kOrdinary, values);
    const Aligned<ActivationBlock> a(activation_bytes(kTokens, 256) / sizeof(ActivationBlock), 0x5A);
    const Aligned<ActivationBlock> b(a.size(), 0x5A);
    const Aligned<float> projected(kTokens * kQkv), attended(kTokens * kHeads * kHeadDim), h(kTokens * kFfn);
    const KvLayout layout{kLayers, kKvHeads, kHeadDim};
    const Aligned<std::byte> memory(8 * layout.block_bytes());
    const KvPool kv{layout, memory.data()};
    const std::uint32_t first[] = {5, 2}, second[] = {7, 0};
    const SequenceRows sequences[] = {{0, 23, 0, first}, {23, 1, 0, second}};
    AttentionPlan plan =
        *AttentionPlan::make({kHeads, kKvHeads, kHeadDim, score_scale(kHeadDim), &rope, 0, {}}, kTokens, 512, threads);
    plan.build(sequences);
    std::vector<std::uint8_t> poisoned(kTokens);

    pool.begin_step();
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
      rmsnorm_quantize(host, {x.data(), kHidden}, gain.data(), kHidden, 1e-5F, kTokens, a.data());
      linear(host, qkv, {a.data(), {}}, kTokens, {projected.data(), kQkv, Epilogue::kStore, nullptr});
      const QkvRows rows{projected.data(), kQkv, {head_gain.data(), head_gain.data(), 1e-5F}, poisoned};
      append_kv(host, plan, kv, layer, rows);
      attention(host, plan, kv, layer, rows, attended.data(), kHeads * kHeadDim, nullptr);
      linear(host, o, {nullptr, {attended.data(), kHeads * kHeadDim}}, kTokens,
             {after.data(), kHidden, Epilogue::kStore, nullptr});
      add_rmsnorm(host, after.data(), kHidden, gain.data(), kHidden, 1e-5F, kTokens, x.data(), kHidden);
      rmsnorm_quantize(host, {x.data(), kHidden}, gain.data(), kHidden, 1e-5F, kTokens, a.data());
      linear_quantize(host, gate_up, {a.data(), {}}, kTokens, {h.data(), kFfn, Epilogue::kGeluMul, nullptr}, b.data());
      linear(host, down, {b.data(), {}}, kTokens, {x.data(), kHidden, Epilogue::kAdd, nullptr});
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

TEST_CASE("exact_layers: contract 2: layers give the same bits on every instruction set and number of threads") {
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

namespace {

// K/V of one sequence in scattered blocks, and one step of attention over it.
struct LongContext {
  static constexpr std::uint32_t kTokens = 1500, kHeads = 6, kKvHeads = 2;
  static constexpr std::uint32_t kQkv = (kHeads + 2 * kKvHeads) * kHeadDim;

  LongContext(KvType type, std::uint32_t window)
      : layout{1, kKvHeads, kHeadDim, type}, pool((kTokens / 16 + 1) * layout.block_bytes()), qkv(kTokens * kQkv) {
    for (std::uint32_t i = 0; i <= kTokens / 16; ++i) blocks.push_back(i);
    Random random(45);
    for (std::uint32_t i = kTokens / 16; i > 0; --i) std::swap(blocks[i], blocks[random.below(i + 1)]);
    fill(qkv, Kind::kOrdinary, random);
    shape = {kHeads, kKvHeads, kHeadDim, score_scale(kHeadDim, 0.0, type), nullptr, window, {}};
  }

  // K/V of everything, and attention of the last kRows rows in chunks of `chunk`.
  static constexpr std::uint32_t kRows = 12, kFirst = kTokens - kRows;
  Aligned<float> run(const HostKernels& kernels, std::uint32_t threads, std::uint32_t chunk, bool& has_split) const {
    ThreadPool threads_pool(threads);
    const Host host{threads_pool, kernels};
    const KvPool kv{layout, pool.data()};
    AttentionPlan plan = *AttentionPlan::make(shape, kTokens, kTokens, threads);
    const Aligned<float> own = copy();
    Aligned<float> out(kRows * kHeads * kHeadDim);
    std::vector<std::uint8_t> poisoned(kTokens);
    has_split = false;
    threads_pool.begin_step();
    for (std::uint32_t at = 0; at < kTokens;) {
      const std::uint32_t count = at < kFirst ? kFirst : std::min(chunk, kTokens - at);
      const SequenceRows sequences[] = {{0, count, at, blocks.data()}};
      plan.build(sequences);
      const QkvRows step{own.data() + at * kQkv, kQkv, {}, poisoned};
      append_kv(host, plan, kv, 0, step);
      if (at >= kFirst) {
        Aligned<ActivationBlock> codes(2 * activation_blocks(kHeads * kHeadDim));
        float* const rows = out.data() + (at - kFirst) * kHeads * kHeadDim;
        attention(host, plan, kv, 0, step, rows, kHeads * kHeadDim, codes.data());
        check_codes(kernels, codes, rows, count);
        has_split = has_split || !plan.joins().empty();
      }
      at += count;
    }
    threads_pool.end_step();
    return out;
  }
  // What attention leaves as codes are the codes of its rows, whoever produced which part of them.
  static void check_codes(const HostKernels& kernels, const Aligned<ActivationBlock>& codes, const float* rows,
                          std::uint32_t count) {
    Aligned<ActivationBlock> expected(codes.size());
    for (std::uint32_t row = 0; row < count; ++row)
      kernels.quantize(rows + std::size_t{row} * kHeads * kHeadDim, kHeads * kHeadDim,
                       expected.data() + row / kTokenTile * activation_blocks(kHeads * kHeadDim), row % kTokenTile);
    CHECK(same_bits(expected, codes));
  }
  Aligned<float> copy() const {
    Aligned<float> result(qkv.size());
    std::memcpy(result.data(), qkv.data(), qkv.bytes());
    return result;
  }

  KvLayout layout;
  Aligned<std::byte> pool;
  Aligned<float> qkv;
  std::vector<std::uint32_t> blocks;
  AttentionShape shape;
};

}  // namespace

TEST_CASE(
    "exact_spans: contract 2: a long context split over threads by spans gives the bits of one pass, whatever the "
    "chunks") {
  auto tables = optimised_kernels();
  tables.push_back(&kPortableKernels);
  for (const KvType type : {KvType::kInt8, KvType::kF16}) {
    for (const std::uint32_t window : {0U, 900U}) {
      const LongContext sequence(type, window);
      bool has_split = false;
      const Aligned<float> expected = sequence.run(**select_kernels(""), 1, LongContext::kRows, has_split);
      CHECK_FALSE(has_split);
      for (const HostKernels* kernels : tables) {
        for (const std::uint32_t threads : {2U, 5U}) {
          CAPTURE(static_cast<int>(type), window, kernels->name, threads);
          CHECK(same_bits(expected, sequence.run(*kernels, threads, 1, has_split)));
          CHECK(has_split);
          CHECK(same_bits(expected, sequence.run(*kernels, threads, 5, has_split)));
        }
      }
    }
  }
}

TEST_CASE("codes are those of whole rows where a matrix or a head of 16 or 48 values produced them in pieces") {
  Random random(46);
  const std::uint32_t tokens = GENERATE(11U, 203U);  // rows or tokens are shared out
  for (const std::uint32_t rows_of_w : {64U, 96U, 160U}) {
    RandomRows weights(DType::kQ4_0, rows_of_w, 64, random);
    Arena arena;
    const PackedMatrix w = *pack_matrix(DType::kQ4_0, 64, weights.rows(), arena);
    const std::uint32_t tile_blocks = activation_blocks(rows_of_w), token_tiles = ceil_div(tokens, kTokenTile);
    const Aligned<float> x(tokens * 64), y(tokens * rows_of_w);
    fill(x, Kind::kOrdinary, random);
    const Aligned<ActivationBlock> in(token_tiles * activation_blocks(64)), out(token_tiles * tile_blocks, 0x5A),
        expected(token_tiles * tile_blocks);
    std::vector<float> alone;  // of the pool with one thread
    for (std::uint32_t token = 0; token < tokens; ++token)
      kPortableKernels.quantize(x.data() + token * 64, 64, in.data() + token / 8 * 2, token % 8);
    for (const std::uint32_t threads : {1U, 3U}) {
      ThreadPool pool(threads);
      linear_quantize({pool, kPortableKernels}, w, {in.data(), {}}, tokens,
                      {y.data(), rows_of_w, Epilogue::kStore, nullptr}, out.data());
      if (threads == 1) alone.assign(y.data(), y.data() + tokens * rows_of_w);
      CHECK(std::equal(alone.begin(), alone.end(), y.data()));
      for (std::uint32_t token = 0; token < tokens; ++token) {
        kPortableKernels.quantize(y.data() + token * rows_of_w, rows_of_w, expected.data() + token / 8 * tile_blocks,
                                  token % 8);
        CAPTURE(rows_of_w, threads, token);
        for (std::uint32_t block = 0; block < tile_blocks; ++block) {
          const ActivationBlock& a = out.data()[token / 8 * tile_blocks + block];
          const ActivationBlock& b = expected.data()[token / 8 * tile_blocks + block];
          CHECK(std::memcmp(a.q[token % 8], b.q[token % 8], kBlockK) == 0);
          CHECK(a.scale[token % 8] == b.scale[token % 8]);
          CHECK(a.minus_128_sum[token % 8] == b.minus_128_sum[token % 8]);
        }
      }
    }
  }
}

TEST_CASE("the head knows the first of its largest logits, and whether all are finite") {
  Random random(47);
  RandomRows weights(DType::kF32, 100, 32, random);
  Arena arena;
  std::vector<const std::byte*> rows(weights.rows().begin(), weights.rows().end());
  rows[37] = rows[83];  // the same logit twice, in two pieces
  const PackedMatrix w = *pack_matrix(DType::kF32, 32, rows, arena);
  const std::uint32_t tokens = GENERATE(5U, 150U), stride = 112;
  const Aligned<float> x(tokens * 32), y(tokens * stride);
  fill(x, Kind::kOrdinary, random);
  for (const std::uint32_t threads : {1U, 4U}) {
    ThreadPool pool(threads);
    for (const double cap : {0.0, 2.0}) {
      std::vector<LogitsPeak> pieces(logits_pieces_max(threads) * tokens), peaks(tokens);
      linear_logits({pool, kPortableKernels}, w, {nullptr, {x.data(), 32}}, tokens,
                    {y.data(), stride, Epilogue::kStore, nullptr}, logit_cap(cap), pieces.data(), peaks.data());
      for (std::uint32_t token = 0; token < tokens; ++token) {
        const float* const logits = y.data() + token * stride;
        const float* const best = std::max_element(logits, logits + 100);
        CAPTURE(threads, cap, token);
        CHECK(peaks[token].finite);
        CHECK(peaks[token].best.index == static_cast<std::uint32_t>(best - logits));
        CHECK(peaks[token].best.value == *best);
        CHECK((cap == 0.0 || *best <= 2.0F));
      }
    }
    x.data()[2 * 32 + 5] = std::numeric_limits<float>::infinity();
    std::vector<LogitsPeak> pieces(logits_pieces_max(threads) * tokens), peaks(tokens);
    linear_logits({pool, kPortableKernels}, w, {nullptr, {x.data(), 32}}, tokens,
                  {y.data(), stride, Epilogue::kStore, nullptr}, {}, pieces.data(), peaks.data());
    for (std::uint32_t token = 0; token < tokens; ++token) CHECK(peaks[token].finite == (token != 2));
    x.data()[2 * 32 + 5] = 1.0F;
  }
}

TEST_CASE("pieces are of equal number and size for every thread where the things allow it") {
  struct Case {
    std::uint32_t things, threads, unit, piece;
  };
  // Tiles of SmolLM2's matrices: the busiest of two threads has half of them.
  const Case cases[] = {{36, 2, 1, 3},     {60, 2, 1, 5}, {192, 2, 4, 12}, {3072, 2, 1, 192},
                        {3072, 1, 1, 384}, {36, 8, 1, 1}, {5, 2, 1, 1},    {1, 4, 2, 2}};
  for (const Case& c : cases) {
    CAPTURE(c.things, c.threads, c.unit);
    CHECK(piece_of(c.things, c.threads, 8, c.unit) == c.piece);
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
