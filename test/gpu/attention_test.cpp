// The caches and attention over them: optimised against portable by memcmp, portable against softmax in double.
#include <algorithm>
#include <catch2/catch.hpp>

#include "gpu/host/kv_layout.hpp"
#include "test/gpu/kernel_tables.hpp"
#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;

// K/V of one head for `tokens` tokens in scattered blocks of a pool with room for one layer and one head.
struct Cache {
  Cache(const HostKernels& kernels, std::uint32_t dim, std::uint32_t token_count, const Aligned<float>& k,
        const Aligned<float>& v, KvType type = KvType::kInt8)
      : layout{1, 1, dim, type}, tokens(token_count), pool(pages() * layout.block_bytes()) {
    for (std::uint32_t i = 0; i < pages(); ++i) blocks.push_back((i * 11 + 3) % pages());
    const auto append = type == KvType::kInt8 ? kernels.append_kv : kernels.append_kv_halves;
    for (std::uint32_t token = 0; token < tokens; ++token) {
      finite.push_back(append(pool.data() + blocks[token / 16] * layout.block_bytes(), token % 16,
                              k.data() + token * dim, v.data() + token * dim, dim));
    }
  }
  void attend(const HostKernels& kernels, const AttentionTask& of) const {
    (layout.type == KvType::kInt8 ? kernels.attention : kernels.attend_halves)(of);
  }
  std::uint32_t pages() const { return ((tokens + 15) / 16) | 1U; }  // not a multiple of 11 in these tests

  AttentionTask task(const QueryRow* rows, std::uint32_t count, std::uint32_t rope_dims) const {
    AttentionTask result;
    result.rows = rows;
    result.count = count;
    result.head_dim = layout.head_dim;
    result.rope_dims = rope_dims;
    result.score_scale = score_scale(layout.head_dim, 0.0, layout.type);
    result.pages = pool.data();
    result.block_bytes = layout.block_bytes();
    result.blocks = blocks.data();
    return result;
  }

  KvLayout layout;
  std::uint32_t tokens;
  Aligned<std::byte> pool;
  std::vector<std::uint32_t> blocks;
  std::vector<bool> finite;
};
constexpr KvType kTypes[] = {KvType::kInt8, KvType::kF16};

struct Heads {
  Heads(std::uint32_t dim, std::uint32_t tokens, Kind kind, Random& random)
      : k(std::size_t{tokens} * dim), v(std::size_t{tokens} * dim), q(std::size_t{8} * dim), table(dim) {
    fill(k, kind, random);
    fill(v, kind, random);
    fill(q, kind, random);
    fill(table, Kind::kOrdinary, random);
    for (std::size_t i = 0; i < q.size(); ++i) q[i] *= 3.0F;
  }
  Aligned<float> k, v, q, table;
};

}  // namespace

TEST_CASE("cache pages are the same bytes on every instruction set") {
  Random random(21);
  for (const HostKernels* kernels : tested_kernels()) {
    for (std::uint32_t dim = 16; dim <= kHeadDimMax; dim += 16) {
      for (const Kind kind : kKinds) {
        CAPTURE(kernels->name, dim, static_cast<int>(kind));
        const Heads heads(dim, 33, kind, random);
        for (const KvType type : kTypes) {
          const Cache expected(kPortableKernels, dim, 33, heads.k, heads.v, type);
          const Cache actual(*kernels, dim, 33, heads.k, heads.v, type);
          CHECK(same_bits(expected.pool, actual.pool));
          CHECK(actual.finite == std::vector<bool>(33, true));
        }
      }
    }
  }
}

TEST_CASE("K or V that is not finite leaves no NaN in a page, and is told") {
  auto tables = tested_kernels();
  tables.push_back(&kPortableKernels);
  for (const HostKernels* kernels : tables) {
    for (const KvType type : kTypes) {
      for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
        for (const bool in_k : {true, false}) {
          CAPTURE(kernels->name, static_cast<int>(type), bad, in_k);
          Random random(27);
          const Heads heads(32, 3, Kind::kOrdinary, random);
          (in_k ? heads.k : heads.v)[32 + 5] = bad;
          const Cache cache(*kernels, 32, 3, heads.k, heads.v, type);
          CHECK(cache.finite == std::vector<bool>{true, false, true});
          const Aligned<float> out(32);
          const QueryRow row{heads.q.data(), nullptr, out.data(), 2};
          cache.attend(*kernels, cache.task(&row, 1, 0));
          for (std::uint32_t d = 0; d < 32; ++d) CHECK(std::isfinite(out[d]));
        }
      }
    }
  }
}

TEST_CASE("f16 pages hold the largest half where a value is beyond it") {
  Random random(28);
  const Heads heads(16, 1, Kind::kOrdinary, random);
  heads.k[3] = 1e6F;
  heads.v[4] = -7e4F;
  const Cache cache(kPortableKernels, 16, 1, heads.k, heads.v, KvType::kF16);
  std::uint16_t k = 0, v = 0;
  std::memcpy(&k, cache.pool.data() + 2 * 16 * 3, 2);
  std::memcpy(&v, cache.pool.data() + 2 * (16 * 16 + 4), 2);
  CHECK(k == 0x7BFF);
  CHECK(v == 0xFBFF);
}

TEST_CASE("attention is the same bits on every instruction set, with windows, caps and spans alone") {
  Random random(22);
  for (const HostKernels* kernels : tested_kernels()) {
    for (const std::uint32_t dim : {16U, 48U, 64U, 80U, 128U, 256U}) {
      for (const std::uint32_t tokens : {1U, 2U, 15U, 16U, 17U, 40U, 255U, 256U, 257U, 300U, 530U}) {
        const Kind kind = kKinds[random.below(std::size(kKinds))];
        const KvType type = kTypes[random.below(2)];
        const Heads heads(dim, tokens, kind, random);
        const Cache cache(kPortableKernels, dim, tokens, heads.k, heads.v, type);
        const std::uint32_t count = 1 + random.below(kQueryRowsMax);
        const Aligned<float> expected(8 * dim), actual(8 * dim);
        QueryRow a[8], b[8];
        const std::uint32_t page_begin = (tokens - 1) / 16 * 16;
        for (std::uint32_t r = 0; r < count; ++r) {
          const std::uint32_t position = page_begin + random.below(tokens - page_begin);
          a[r] = {heads.q.data() + r * dim, r % 3 == 2 ? nullptr : heads.table.data(), expected.data() + r * dim,
                  position};
          b[r] = a[r];
          b[r].out = actual.data() + r * dim;
        }
        const std::uint32_t windows[] = {0, 1, 5, 16, 100, 256, 270};
        const std::uint32_t window = windows[random.below(7)];
        if (first_visible(page_begin, window) / 256 != first_visible(tokens - 1, window) / 256) continue;
        AttentionTask of_a = cache.task(a, count, dim), of_b = cache.task(b, count, dim);
        of_a.window = of_b.window = window;
        if (random.below(2) == 0) of_a.cap = of_b.cap = score_cap(20.0);
        CAPTURE(kernels->name, dim, tokens, count, static_cast<int>(kind), static_cast<int>(type), window);
        cache.attend(kPortableKernels, of_a);
        cache.attend(*kernels, of_b);
        CHECK(same_bits(expected, actual));

        // Each span alone, joined.
        const std::uint32_t begin = first_visible(page_begin, window) / 256, spans = (tokens - 1) / 256 - begin + 1;
        const std::size_t stride = std::size_t{count} * partial_floats(dim);
        const Aligned<float> partials(spans * stride), joined(8 * dim);
        for (std::uint32_t span = begin; span < begin + spans; ++span) {
          of_b.span_begin = span;
          of_b.span_end = span + 1;
          of_b.partials = partials.data() + (span - begin) * stride;
          cache.attend(*kernels, of_b);
        }
        for (std::uint32_t r = 0; r < count; ++r) {
          kernels->join_spans(partials.data() + r * partial_floats(dim), stride, spans, dim, joined.data() + r * dim);
        }
        CHECK(same_bits(expected, joined));
      }
    }
  }
}

TEST_CASE("a query's result does not depend on the rows beside it") {
  Random random(23);
  auto tables = tested_kernels();
  tables.push_back(&kPortableKernels);
  for (const HostKernels* kernels : tables) {
    const Heads heads(64, 270, Kind::kOrdinary, random);
    const Cache cache(*kernels, 64, 270, heads.k, heads.v);
    for (std::uint32_t count = 1; count <= kQueryRowsMax; ++count) {
      CAPTURE(kernels->name, count);
      const Aligned<float> together(8 * 64), alone(8 * 64);
      QueryRow rows[8];
      for (std::uint32_t r = 0; r < count; ++r) {
        rows[r] = {heads.q.data() + r * 64, heads.table.data(), together.data() + r * 64, 256 + r};
      }
      kernels->attention(cache.task(rows, count, 64));
      for (std::uint32_t r = 0; r < count; ++r) {
        rows[r].out = alone.data() + r * 64;
        kernels->attention(cache.task(rows + r, 1, 64));
      }
      CHECK(same_bits(together, alone));
    }
  }
}

TEST_CASE("tokens after a query's position do not change its result, whatever they are") {
  Random random(24);
  auto tables = tested_kernels();
  tables.push_back(&kPortableKernels);
  for (const HostKernels* kernels : tables) {
    CAPTURE(kernels->name);
    const Heads heads(64, 272, Kind::kOrdinary, random);
    const Cache shorter(*kernels, 64, 261, heads.k, heads.v);
    for (std::size_t i = 261 * 64; i < heads.k.size(); ++i) heads.k[i] *= 1e4F, heads.v[i] *= 1e4F;
    Cache longer(*kernels, 64, 272, heads.k, heads.v);
    const Aligned<float> a(64), b(64);
    QueryRow row{heads.q.data(), nullptr, a.data(), 260};
    kernels->attention(shorter.task(&row, 1, 0));
    row.out = b.data();
    kernels->attention(longer.task(&row, 1, 0));
    CHECK(same_bits(a, b));
  }
}

namespace {

// Softmax over the visible dot products in double.
std::vector<double> exact_attention(const Heads& heads, std::uint32_t dim, std::uint32_t tokens, std::uint32_t window,
                                    double cap) {
  std::vector<double> weight(tokens), exact(dim);
  const std::uint32_t begin = window == 0 || tokens < window ? 0 : tokens - window;
  double max = -1e300, sum = 0;
  for (std::uint32_t j = begin; j < tokens; ++j) {
    for (std::uint32_t d = 0; d < dim; ++d) weight[j] += static_cast<double>(heads.q[d]) * heads.k[j * dim + d];
    weight[j] /= std::sqrt(static_cast<double>(dim));
    if (cap > 0) weight[j] = cap * std::tanh(weight[j] / cap);
    max = std::max(max, weight[j]);
  }
  for (std::uint32_t j = begin; j < tokens; ++j) sum += weight[j] = std::exp(weight[j] - max);
  for (std::uint32_t j = begin; j < tokens; ++j) {
    for (std::uint32_t d = 0; d < dim; ++d) exact[d] += weight[j] / sum * heads.v[j * dim + d];
  }
  return exact;
}

}  // namespace

TEST_CASE("attention is softmax over the dot products it sees, to the steps of its values") {
  Random random(25);
  for (const KvType type : kTypes) {
    for (const std::uint32_t dim : {64U, 48U, 128U}) {
      for (const std::uint32_t tokens : {1U, 30U, 300U}) {
        for (const std::uint32_t window : {0U, 20U, 270U}) {
          for (const double cap : {0.0, 2.0}) {
            CAPTURE(static_cast<int>(type), dim, tokens, window, cap);
            const Heads heads(dim, tokens, Kind::kOrdinary, random);
            const Cache cache(kPortableKernels, dim, tokens, heads.k, heads.v, type);
            const Aligned<float> out(dim);
            const QueryRow row{heads.q.data(), nullptr, out.data(), tokens - 1};
            AttentionTask task = cache.task(&row, 1, 0);
            task.window = window;
            task.cap = score_cap(cap);
            cache.attend(kPortableKernels, task);
            const std::vector<double> exact = exact_attention(heads, dim, tokens, window, cap);
            double square = 0, size = 0;
            for (std::uint32_t d = 0; d < dim; ++d) {
              square += (out[d] - exact[d]) * (out[d] - exact[d]);
              size += exact[d] * exact[d];
            }
            // Values are at most 3.4 with a step of about 3/127; scores (spread 3) are off by about 1 %. Halves have
            // 11 bits: scores are off by some 0.001.
            const double bound = type == KvType::kInt8 ? 0.03 * std::sqrt(size) + 0.002 * std::sqrt(dim)
                                                       : 0.002 * std::sqrt(size) + 1e-5 * std::sqrt(dim);
            CHECK(std::sqrt(square) < bound);
          }
        }
      }
    }
  }
}

TEST_CASE("a single token's attention is its own value") {
  const std::uint32_t dim = 64;
  Random random(26);
  const Heads heads(dim, 1, Kind::kOrdinary, random);
  const Cache cache(kPortableKernels, dim, 1, heads.k, heads.v);
  const Aligned<float> out(dim);
  const QueryRow row{heads.q.data(), heads.table.data(), out.data(), 0};
  kPortableKernels.attention(cache.task(&row, 1, dim));
  float max = 0;
  for (std::uint32_t d = 0; d < dim; ++d) max = std::max(max, std::fabs(heads.v[d]));
  for (std::uint32_t d = 0; d < dim; ++d) CHECK(std::fabs(out[d] - heads.v[d]) <= 0.501F * max / 127.0F);
}

}  // namespace troupe
