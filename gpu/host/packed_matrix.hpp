#pragma once
// A weight matrix repacked for the widest dot-product instruction ("N16K64"): tiles of 16 output rows; in a tile one
// super-block for every 64 columns: first the scales, then the quants, arranged so that one 64-byte line holds
// 16 rows x 4 columns.
//   kQ4_0   64 B  f16 d[2][16]                | 2 x 256 B nibbles, zero point 8                  =  576 B
//   kQ4_1  128 B  f16 d[2][16], f16 m[2][16]  | 2 x 256 B nibbles                                =  640 B
//   kQ8_0   64 B  f16 d[2][16]                | 2 x 512 B bytes, stored + 128                    = 1088 B
//   kS8    256 B  f32 d[2][2][16], a scale for each 16 columns | 2 x 512 B bytes, stored + 128   = 1280 B
// A nibble line g of a block (g < 4) holds columns 4g..4g+3 low and 16+4g..16+4g+3 high; a byte line g (g < 8)
// columns 4g..4g+3.
// Which file type becomes which format: Q4_0, Q4_1, Q8_0 as they are; Q6_K as kS8 with d = d*scale of its 16 values
// (exact); F32, F16, BF16 as kS8 quantised here: m = max|w| of 16 values, d = scl(127, m), q = rne(w * inv(127, m)).
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/result.hpp"
#include "tensor/dtype.hpp"
#include "tensor/storage.hpp"

namespace troupe {

inline constexpr std::uint32_t kTileRows = 16;
inline constexpr std::uint32_t kSuperBlockK = 64;

enum class PackedFormat : std::uint8_t { kQ4_0, kQ4_1, kQ8_0, kS8 };

constexpr std::uint32_t super_block_bytes(PackedFormat format) {
  switch (format) {
    case PackedFormat::kQ4_0:
      return 576;
    case PackedFormat::kQ4_1:
      return 640;
    case PackedFormat::kQ8_0:
      return 1088;
    case PackedFormat::kS8:
      return 1280;
  }
  return 0;
}

// A view: the bytes belong to the arena they were packed into. Copy freely.
struct PackedMatrix {
  PackedFormat format = PackedFormat::kQ4_0;
  std::uint32_t rows = 0;           // output values; padded with zero rows to tiles * 16
  std::uint32_t columns = 0;        // input values, a multiple of 32; padded with zeros to super_blocks * 64
  std::uint32_t tiles = 0;          // of 16 rows
  std::uint32_t super_blocks = 0;   // of 64 columns, in one tile
  std::size_t tile_bytes = 0;       // super_blocks * super_block_bytes(format)
  const std::byte* data = nullptr;  // [tiles][tile_bytes], aligned to 64
};

constexpr std::uint32_t padded_rows(std::uint32_t rows) { return (rows + kTileRows - 1) / kTileRows * kTileRows; }

PackedFormat packed_format_of(DType type);

// Packs rows.size() rows of `columns` values. rows[n] points at output row n in the file's own format (any order, so
// permuted heads, fused q/k/v and interleaved gate/up are an order of pointers); nullptr is a row of zeros.
// kModelFile when columns is no multiple of 32 (256 for Q6_K), when there is no row, or when a scale is not finite:
// the message says which row.
Result<PackedMatrix> pack_matrix(DType type, std::uint32_t columns, std::span<const std::byte* const> rows,
                                 Arena& arena);

// Row order of a fused gate/up matrix for Epilogue::kSiluMul: 16 gate rows, 16 up rows, and so on; both padded to
// whole tiles with nullptr. gate.size() == up.size().
std::vector<const std::byte*> interleave_gate_up(std::span<const std::byte* const> gate,
                                                 std::span<const std::byte* const> up);

}  // namespace troupe
