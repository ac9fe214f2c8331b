// Packed matrices: every optimised kernel equals the portable one by memcmp, and no result depends on how the work
// was cut.
#include <catch2/catch.hpp>

#include "test/gpu/kernel_tables.hpp"
#include "test/gpu/random_values.hpp"
#include "test/skip.hpp"

namespace troupe {
namespace {
using namespace test;

constexpr Epilogue kEpilogues[] = {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSiluMul, Epilogue::kGeluMul};

struct Problem {
  Problem(DType type, std::uint32_t rows, std::uint32_t columns, std::uint32_t token_count, Random& random)
      : tokens(token_count),
        raw(type, rows, columns, random),
        w(*pack_matrix(type, columns, raw.rows(), arena)),
        x((tokens + 7) / 8 * activation_blocks(columns), 0x5A),  // what is not written must not matter
        x_stride(columns + 16),
        x_rows(tokens * x_stride, 0x5A),
        bias(w.tiles * kTileRows) {
    const Aligned<float> row(columns);
    for (std::uint32_t token = 0; token < tokens; ++token) {
      fill(row, kKinds[random.below(std::size(kKinds))], random);
      std::memcpy(x_rows.data() + token * x_stride, row.data(), row.bytes());
      kPortableKernels.quantize(row.data(), columns, x.data() + token / 8 * activation_blocks(columns), token % 8);
    }
    fill(bias, Kind::kOrdinary, random);
  }
  std::size_t stride() const { return std::size_t{w.tiles} * kTileRows; }

  Aligned<float> run(const HostKernels& kernels, Epilogue epilogue, bool with_bias) const {
    Aligned<float> y = start();
    multiply(kernels, 0, w.tiles, 0, tokens, {y.data(), stride(), epilogue, with_bias ? bias.data() : nullptr});
    return y;
  }
  void multiply(const HostKernels& kernels, std::uint32_t tile_begin, std::uint32_t tile_end, std::uint32_t token_begin,
                std::uint32_t token_end, const GemmOutput& out) const {
    if (has_codes(w.format)) {
      kernels.gemm(w, tile_begin, tile_end, x.data(), token_begin, token_end, out);
    } else {
      kernels.gemm_floats(w, tile_begin, tile_end, x_rows.data(), x_stride, token_begin, token_end, out);
    }
  }
  Aligned<float> start() const {
    Aligned<float> y(tokens * stride());
    Random random(99);
    fill(y, Kind::kOrdinary, random);
    return y;
  }

  std::uint32_t tokens;
  RandomRows raw;
  Arena arena;
  PackedMatrix w;
  Aligned<ActivationBlock> x;
  std::size_t x_stride;
  Aligned<float> x_rows;
  Aligned<float> bias;
};

enum class Runs { kNative, kEmulated };

// Every format, shape and epilogue on one table, for 1 to 17 tokens.
void compare_products(const std::string& name, Runs how) {
  const HostKernels* kernels = nullptr;
  for (const KernelTable& table : kernel_tables()) {
    if (table.name == name) kernels = how == Runs::kNative ? table.native : table.emulated;
  }
  if (kernels == nullptr) {
    return skip(how == Runs::kNative ? "this CPU has no " + name
                                     : "this CPU has no AVX2, which the emulation of " + name + " needs");
  }
  Random random(7);
  for (const BlockFormat& format : block_formats()) {
    const DType type = format.type;
    for (std::uint32_t tokens = 1; tokens <= 17; ++tokens) {
      const std::uint32_t block = std::max(format.block_elements, 32U);
      const std::uint32_t columns = block * (1 + random.below(256 / block + 4));
      const Problem problem(type, 2 * kTileRows * (1 + random.below(2)), columns, tokens, random);
      for (const Epilogue epilogue : kEpilogues) {
        CAPTURE(kernels->name, format_of(type).name, tokens, columns, static_cast<int>(epilogue));
        const bool with_bias = tokens % 2 == 0;
        CHECK(
            same_bits(problem.run(kPortableKernels, epilogue, with_bias), problem.run(*kernels, epilogue, with_bias)));
      }
    }
  }
}

}  // namespace

// One case for each table and way to run it, so that the list of tests tells which ran.
#if defined(__x86_64__)
TEST_CASE("exact_native_avx2: contract 2: matrix products have the portable bits on this CPU's AVX2") {
  compare_products("avx2", Runs::kNative);
}
TEST_CASE("exact_native_avxvnni: contract 2: matrix products have the portable bits on this CPU's AVX-VNNI") {
  compare_products("avxvnni", Runs::kNative);
}
TEST_CASE("exact_native_avx512: contract 2: matrix products have the portable bits on this CPU's AVX-512") {
  compare_products("avx512", Runs::kNative);
}
#if defined(TROUPE_EMULATED)
TEST_CASE("exact_emulated_avxvnni: contract 2: matrix products have the portable bits with AVX-VNNI emulated") {
  compare_products("avxvnni", Runs::kEmulated);
}
TEST_CASE("exact_emulated_avx512: contract 2: matrix products have the portable bits with AVX-512 emulated") {
  compare_products("avx512", Runs::kEmulated);
}
#endif
#elif defined(__aarch64__)
TEST_CASE("exact_native_neon: contract 2: matrix products have the portable bits on this CPU's NEON") {
  compare_products("neon", Runs::kNative);
}
TEST_CASE("exact_native_i8mm: contract 2: matrix products have the portable bits on this CPU's int8 matrices") {
  compare_products("i8mm", Runs::kNative);
}
#endif

TEST_CASE("shapes that are no whole tiles are padded with zeros") {
  Random random(8);
  auto tables = tested_kernels();
  tables.push_back(&kPortableKernels);
  for (const HostKernels* kernels : tables) {
    for (const std::uint32_t rows : {1U, 15U, 17U, 40U}) {
      for (const std::uint32_t columns : {32U, 96U}) {
        CAPTURE(kernels->name, rows, columns);
        const Problem problem(DType::kQ4_1, rows, columns, 3, random);
        CHECK(problem.w.tiles == (rows + 15) / 16);
        const Aligned<float> y = problem.run(*kernels, Epilogue::kStore, false);
        CHECK(same_bits(problem.run(kPortableKernels, Epilogue::kStore, false), y));
        for (std::uint32_t token = 0; token < 3; ++token) {
          for (std::size_t row = rows; row < problem.stride(); ++row) CHECK(y[token * problem.stride() + row] == 0.0F);
        }
      }
    }
  }
}

TEST_CASE("a product does not depend on how tiles and tokens were cut") {
  Random random(9);
  auto tables = tested_kernels();
  tables.push_back(&kPortableKernels);
  for (const HostKernels* kernels : tables) {
    for (const DType type : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ8_0, DType::kF32, DType::kF16}) {
      const Problem problem(type, 96, 160, 21, random);
      for (const Epilogue epilogue : kEpilogues) {
        CAPTURE(kernels->name, format_of(type).name, static_cast<int>(epilogue));
        const Aligned<float> whole = problem.run(*kernels, epilogue, true);
        const Aligned<float> cut = problem.start();
        const GemmOutput out{cut.data(), problem.stride(), epilogue, problem.bias.data()};
        const std::uint32_t unit = takes_two_tiles(epilogue) ? 2 : 1;
        for (std::uint32_t token = 0; token < problem.tokens;) {
          const std::uint32_t next = std::min(problem.tokens, token + 1 + random.below(11));
          for (std::uint32_t tile = 0; tile < problem.w.tiles;) {
            const std::uint32_t tile_end = std::min(problem.w.tiles, tile + unit * (1 + random.below(3)));
            problem.multiply(*kernels, tile, tile_end, token, next, out);
            tile = tile_end;
          }
          token = next;
        }
        CHECK(same_bits(whole, cut));
      }
    }
  }
}

TEST_CASE("contract 2: rows longer than what is unpacked at a time have the portable bits from any token on") {
  Random random(11);
  constexpr std::uint32_t kColumns = 4 * 256;  // more than the 24 blocks of a chunk
  constexpr std::uint32_t kTokens = 21;
  for (const HostKernels* kernels : tested_kernels()) {
    for (const BlockFormat& format : block_formats()) {
      const Problem problem(format.type, 2 * kTileRows, kColumns, kTokens, random);
      for (const Epilogue epilogue : {Epilogue::kAdd, Epilogue::kSiluMul}) {
        for (const std::uint32_t first : {0U, 3U}) {
          CAPTURE(kernels->name, format.name, static_cast<int>(epilogue), first);
          const Aligned<float> expected = problem.start(), y = problem.start();
          for (const bool portable : {true, false}) {
            float* const to = portable ? expected.data() : y.data();
            problem.multiply(portable ? kPortableKernels : *kernels, 0, problem.w.tiles, first, kTokens,
                             {to, problem.stride(), epilogue, problem.bias.data()});
          }
          CHECK(same_bits(expected, y));
        }
      }
    }
  }
}

TEST_CASE("more tokens than one pass over the weights takes are the same bits as one by one") {
  Random random(10);
  for (const HostKernels* kernels : tested_kernels()) {
    for (const DType type : {DType::kQ4_1, DType::kQ6_K, DType::kBF16}) {
      CAPTURE(kernels->name, format_of(type).name);
      const Problem problem(type, 48, type == DType::kQ6_K ? 256 : 64, 300, random);
      const Aligned<float> whole = problem.run(*kernels, Epilogue::kStore, false);
      const Aligned<float> single = problem.start();
      for (std::uint32_t token = 0; token < problem.tokens; ++token) {
        problem.multiply(*kernels, 0, problem.w.tiles, token, token + 1,
                         {single.data(), problem.stride(), Epilogue::kStore, nullptr});
      }
      CHECK(same_bits(whole, single));
    }
  }
}

TEST_CASE("what is fetched for the next phase changes no bit and ends where its list does") {
  Random random(77);
  const Problem problem(DType::kQ4_1, 64, 576, 16, random);
  const std::uint32_t blocks[] = {2, 0, 1};
  const Aligned<std::byte> pages(3 * 1024);
  for (const HostKernels* kernels : tested_kernels()) {
    CAPTURE(kernels->name);
    const Aligned<float> expected = problem.run(*kernels, Epilogue::kStore, false), y = problem.start();
    FetchAhead ahead{pages.data(), 1024, 700, std::begin(blocks), std::end(blocks), 0};
    GemmOutput out{y.data(), problem.stride(), Epilogue::kStore, nullptr, &ahead};
    problem.multiply(*kernels, 0, problem.w.tiles, 0, problem.tokens, out);
    CHECK(same_bits(expected, y));
    CHECK(ahead.block == (kernels == &kPortableKernels ? std::begin(blocks) : std::end(blocks)));
    CHECK(ahead.at == 0);
  }
}

}  // namespace troupe
