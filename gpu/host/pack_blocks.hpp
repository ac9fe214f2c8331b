#pragma once
// How one row of a file becomes row `at` (0..15) of a packed tile: one function a type.
#include <cstddef>
#include <cstdint>

#include "gpu/host/packed_matrix.hpp"

namespace troupe {

// Writes the row's scales and quants into a tile of zeroed super-blocks. false when a scale or a weight is not finite.
using PackRow = bool (*)(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at);

PackRow pack_row_of(DType type);

}  // namespace troupe
