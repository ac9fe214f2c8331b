#include "gpu/host/packed_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "gpu/host/activation.hpp"
#include "gpu/host/pack_blocks.hpp"
#include "tensor/quantize.hpp"
#include "tensor/shape.hpp"

namespace troupe {

Result<BlankMatrix> allocate_matrix(DType type, std::uint32_t columns, std::size_t rows, Arena& arena) {
  const BlockFormat& format = format_of(type);
  if (columns == 0 || columns % 32 != 0 || columns % format.block_elements != 0) {
    return Error{ErrorCode::kModelFile,
                 std::string("a ") + format.name + " matrix of " + std::to_string(columns) +
                     " columns cannot be packed: columns come in blocks of " +
                     std::to_string(format.block_elements < 32 ? 32 : format.block_elements),
                 "", 0};
  }
  if (rows == 0 || rows > 0xFFFFFFFFU - kTileRows) {
    return Error{ErrorCode::kModelFile, "a matrix of " + std::to_string(rows) + " rows cannot be packed", "", 0};
  }
  BlankMatrix blank;
  PackedMatrix& matrix = blank.matrix;
  matrix.format = packed_format_of(type);
  matrix.rows = static_cast<std::uint32_t>(rows);
  matrix.columns = columns;
  matrix.tiles = padded_rows(matrix.rows) / kTileRows;
  const PackedLayout layout = layout_of(matrix.format);
  matrix.super_blocks = (columns + layout.columns() - 1) / layout.columns();
  matrix.blocks = activation_blocks(columns);
  matrix.tile_bytes = std::size_t{matrix.super_blocks} * layout.super_block_bytes();
  const auto bytes = checked_multiply(matrix.tiles, matrix.tile_bytes);
  if (!bytes) return Error{ErrorCode::kModelFile, "a matrix is too large to be packed", "", 0};
  const auto data = arena.allocate(*bytes);
  if (!data) return data.error();
  blank.data = *data;
  matrix.data = *data;
  return blank;
}

// Padding (rows of nullptr, rows of the last tile, the last 32 columns when they are half a super-block) stays the
// arena's zeros: a scale of 0 makes its share 0 whatever the quants mean.
Status pack_rows(const BlankMatrix& target, DType from, DType as, std::span<const std::byte* const> rows,
                 std::uint32_t first) {
  const PackedMatrix& matrix = target.matrix;
  TROUPE_CHECK(std::size_t{first} + rows.size() <= matrix.rows && packed_format_of(as) == matrix.format,
               "rows fit the matrix they are packed into");
  const PackRow pack_row = pack_row_of(as);
  const BlockFormat& format = format_of(as);
  const std::size_t blocks = matrix.columns / format.block_elements;
  std::vector<float> values(from == as ? 0 : matrix.columns);
  std::vector<std::byte> quantised(from == as ? 0 : blocks * format.block_bytes);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] == nullptr) continue;
    const std::size_t row = first + i;
    const std::byte* bytes = rows[i];
    bool finite = true;
    if (from != as) {
      dequantize_row(from, bytes, matrix.columns, values.data());
      finite = std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
      if (finite) quantizer_of(as)(values.data(), blocks, quantised.data());
      bytes = quantised.data();
    }
    std::byte* const tile = target.data + row / kTileRows * matrix.tile_bytes;
    if (finite && pack_row(bytes, matrix.columns, tile, static_cast<std::uint32_t>(row % kTileRows))) continue;
    return Error{ErrorCode::kModelFile,
                 std::string("a scale or weight in row ") + std::to_string(row) + " of a " + format_of(from).name +
                     " matrix is not finite",
                 "", 0};
  }
  return {};
}

Result<PackedMatrix> pack_matrix(DType type, std::uint32_t columns, std::span<const std::byte* const> rows,
                                 Arena& arena) {
  auto blank = allocate_matrix(type, columns, rows.size(), arena);
  if (!blank) return blank.error();
  if (Status status = pack_rows(*blank, type, type, rows, 0); !status) return status.error();
  return blank->matrix;
}

std::uint64_t packed_bytes(DType type, std::uint64_t rows, std::uint64_t columns) {
  const PackedLayout layout = layout_of(packed_format_of(type));
  const std::uint64_t super_blocks = (columns + layout.columns() - 1) / layout.columns();
  return (rows + kTileRows - 1) / kTileRows * super_blocks * layout.super_block_bytes();
}

std::vector<const std::byte*> interleave_gate_up(std::span<const std::byte* const> gate,
                                                 std::span<const std::byte* const> up) {
  TROUPE_CHECK(gate.size() == up.size(), "gate and up have the same number of rows");
  std::vector<const std::byte*> rows;
  rows.reserve(2 * round_up(gate.size(), kTileRows));
  for (std::size_t begin = 0; begin < gate.size(); begin += kTileRows) {
    for (const auto& part : {gate, up}) {
      for (std::size_t row = begin; row < begin + kTileRows; ++row) {
        rows.push_back(row < part.size() ? part[row] : nullptr);
      }
    }
  }
  return rows;
}

}  // namespace troupe
