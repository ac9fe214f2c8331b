#pragma once
// A weight matrix repacked for the widest dot-product instruction; packed_layout.hpp says how. Which file type becomes
// which format: quantised types keep their codes and scales, floats their bits; nothing is lost.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gpu/host/packed_layout.hpp"
#include "runtime/result.hpp"
#include "tensor/storage.hpp"

namespace troupe {

// A view: the bytes belong to the arena they were packed into. Copy freely.
struct PackedMatrix {
  PackedFormat format = PackedFormat::kQ4_0;
  std::uint32_t rows = 0;           // output values; padded with zero rows to tiles * 16
  std::uint32_t columns = 0;        // input values, a multiple of 32; padded with zeros to whole super-blocks
  std::uint32_t tiles = 0;          // of 16 rows
  std::uint32_t super_blocks = 0;   // in one tile
  std::uint32_t blocks = 0;         // of 32 columns, in one tile: activation_blocks(columns)
  std::size_t tile_bytes = 0;       // super_blocks * layout.super_block_bytes()
  const std::byte* data = nullptr;  // [tiles][tile_bytes], aligned to 64
};

constexpr std::uint32_t padded_rows(std::uint32_t rows) { return (rows + kTileRows - 1) / kTileRows * kTileRows; }

// Bytes of a packed matrix of `rows` x `columns`.
std::uint64_t packed_bytes(DType type, std::uint64_t rows, std::uint64_t columns);

// A matrix whose rows are still to be packed; `data` is matrix.data, zeroed.
struct BlankMatrix {
  PackedMatrix matrix;
  std::byte* data = nullptr;
};
// kModelFile when `columns` is no multiple of 32 (256 for K-quants) or there is no row.
Result<BlankMatrix> allocate_matrix(DType type, std::uint32_t columns, std::size_t rows, Arena& arena);

// Packs rows [first, first + rows.size()) of what was allocated for type `as`; several threads may, each tile of 16
// rows one. rows[n] points at output row first + n in the file's type `from` (any order, so permuted heads, fused q/k/v
// and interleaved gate/up are an order of pointers); nullptr is a row of zeros. `as` is `from`, or the type floats are
// quantised to. kModelFile when a scale or a weight is not finite: the message says in which row.
Status pack_rows(const BlankMatrix& target, DType from, DType as, std::span<const std::byte* const> rows,
                 std::uint32_t first);

// Both at once, all rows in their own type.
Result<PackedMatrix> pack_matrix(DType type, std::uint32_t columns, std::span<const std::byte* const> rows,
                                 Arena& arena);

// Row order of a fused gate/up matrix for Epilogue::kSiluMul or kGeluMul: 16 gate rows, 16 up rows, and so on; both
// padded to whole tiles with nullptr. gate.size() == up.size().
std::vector<const std::byte*> interleave_gate_up(std::span<const std::byte* const> gate,
                                                 std::span<const std::byte* const> up);

}  // namespace troupe
