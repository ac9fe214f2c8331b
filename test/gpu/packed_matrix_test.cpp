#include "gpu/host/packed_matrix.hpp"

#include <catch2/catch.hpp>

#include "tensor/half.hpp"
#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;
}

TEST_CASE("a matrix that cannot be packed says why") {
  Arena arena;
  Random random(31);
  const RandomRows rows(DType::kQ4_0, 2, 64, random);
  const auto message = [&](DType type, std::uint32_t columns, std::span<const std::byte* const> of) {
    const auto matrix = pack_matrix(type, columns, of, arena);
    REQUIRE_FALSE(matrix.ok());
    CHECK(matrix.error().code == ErrorCode::kModelFile);
    return matrix.error().message;
  };
  CHECK(message(DType::kQ4_0, 48, rows.rows()) ==
        "a Q4_0 matrix of 48 columns cannot be packed: columns come in blocks of 32");
  CHECK(message(DType::kQ6_K, 576, rows.rows()) ==
        "a Q6_K matrix of 576 columns cannot be packed: columns come in blocks of 256");
  CHECK(message(DType::kF32, 20, rows.rows()).find("blocks of 32") != std::string::npos);
  CHECK(message(DType::kQ4_0, 0, rows.rows()).find("0 columns") != std::string::npos);
  CHECK(message(DType::kQ4_0, 64, {}) == "a matrix of 0 rows cannot be packed");
}

TEST_CASE("a scale that is not finite is found, whatever the type, and its row is named") {
  Random random(32);
  for (const BlockFormat& format : block_formats()) {
    CAPTURE(format.name);
    const RandomRows good(format.type, 3, 512, random);
    const float nan = std::nanf("");
    const std::uint16_t half = format.type == DType::kBF16 ? f32_to_bf16(nan) : f32_to_f16(nan);
    const auto refuses = [&](std::size_t offset, const void* value, std::size_t size) {
      std::vector<std::byte> bad(*row_bytes(format.type, 512));
      std::memcpy(bad.data(), good.rows()[1], bad.size());
      std::memcpy(bad.data() + bad.size() - format.block_bytes + offset, value, size);
      auto rows = good.rows();
      rows[1] = bad.data();
      Arena arena;
      const auto matrix = pack_matrix(format.type, 512, rows, arena);
      REQUIRE_FALSE(matrix.ok());
      CHECK(matrix.error().message ==
            std::string("a scale or weight in row 1 of a ") + format.name + " matrix is not finite");
    };
    if (format.type == DType::kF32) refuses(0, &nan, 4);
    if (format.type == DType::kF16 || format.type == DType::kBF16) refuses(0, &half, 2);
    for (const std::size_t offset : half_offsets(format.type)) refuses(offset, &half, 2);
    const std::byte no_number{255};  // of E8M0, the scale of the OCP Microscaling Formats; 254 is 2^127
    if (format.type == DType::kMxfp4) refuses(0, &no_number, 1);
  }
}

TEST_CASE("a packed matrix has the size of its file, padded to tiles of 16 by 64") {
  Random random(33);
  Arena arena;
  const RandomRows rows(DType::kQ4_1, 17, 96, random);
  const auto matrix = *pack_matrix(DType::kQ4_1, 96, rows.rows(), arena);
  CHECK(matrix.format == PackedFormat::kQ4_1);
  CHECK(matrix.rows == 17);
  CHECK(matrix.tiles == 2);
  CHECK(matrix.super_blocks == 2);
  CHECK(matrix.blocks == 4);
  CHECK(matrix.tile_bytes == 2 * 640);
  CHECK(arena.bytes_used() == 2 * 2 * 640);
  CHECK(packed_bytes(DType::kQ4_1, 17, 96) == 2 * 2 * 640);
  CHECK(reinterpret_cast<std::uintptr_t>(matrix.data) % 64 == 0);
}

TEST_CASE("a packed type takes hardly more memory than its file") {
  for (const BlockFormat& format : block_formats()) {
    CAPTURE(format.name);
    auto file = static_cast<double>(64 * *row_bytes(format.type, 1024));
    double packed = static_cast<double>(packed_bytes(format.type, 64, 1024));
    CHECK(packed >= 0.99 * file);
    CHECK(packed <= (format.type == DType::kQ2_K ? 1.2 : 1.06) * file);
  }
}

TEST_CASE("gate and up rows alternate in tiles of 16") {
  std::vector<std::byte> memory(40);
  std::vector<const std::byte*> gate, up;
  for (std::size_t i = 0; i < 20; ++i) {
    gate.push_back(&memory[i]);
    up.push_back(&memory[20 + i]);
  }
  const auto rows = interleave_gate_up(gate, up);
  REQUIRE(rows.size() == 64);
  CHECK(rows[0] == gate[0]);
  CHECK(rows[15] == gate[15]);
  CHECK(rows[16] == up[0]);
  CHECK(rows[31] == up[15]);
  CHECK(rows[32] == gate[16]);
  CHECK(rows[35] == gate[19]);
  CHECK(rows[36] == nullptr);
  CHECK(rows[48] == up[16]);
  CHECK(rows[63] == nullptr);
}

TEST_CASE("rows without a source are zero rows") {
  Random random(34);
  Arena arena;
  const RandomRows source(DType::kQ4_0, 1, 64, random);
  const std::vector<const std::byte*> rows = {nullptr, source.rows()[0]};
  const auto matrix = *pack_matrix(DType::kQ4_0, 64, rows, arena);
  const Aligned<float> x(64), y(16);
  fill(x, Kind::kOrdinary, random);
  const Aligned<ActivationBlock> tile(activation_blocks(64));
  kPortableKernels.quantize(x.data(), 64, tile.data(), 0);
  kPortableKernels.gemm(matrix, 0, 1, tile.data(), 0, 1, {y.data(), 16, Epilogue::kStore, nullptr});
  CHECK(y[0] == 0.0F);
  CHECK(y[1] != 0.0F);
}

}  // namespace troupe
