#pragma once
// Activations as the packed matrices read them: int8 per 32 values (rule 3 of the canon), in tiles of 8 tokens so that
// one micro-kernel finds its 8 tokens at constant offsets.
#include <cstddef>
#include <cstdint>

namespace troupe {

inline constexpr std::uint32_t kTokenTile = 8;  // tokens of one tile
inline constexpr std::uint32_t kBlockK = 32;    // values that share a scale

// 32 columns of 8 tokens. A slot beyond the step's tokens is never read.
struct alignas(64) ActivationBlock {
  std::int8_t q[kTokenTile][kBlockK];
  float scale[kTokenTile];                      // d
  float scaled_sum[kTokenTile];                 // d * f32(sum of q): meets the minimum of Q4_1
  std::int32_t minus_8_sum[kTokenTile];         // zero points of unsigned weights, ready as start values of integer
  std::int32_t minus_128_sum[kTokenTile];       //   sums: -8 and -128 times the sum of q,
  std::int32_t minus_128_sum_low[kTokenTile];   //   and the latter over columns 0..15 and
  std::int32_t minus_128_sum_high[kTokenTile];  //  16..31
};
static_assert(sizeof(ActivationBlock) == 448);

// Blocks of one tile: columns (a multiple of 32) rounded up to 64; the block added by rounding is all zero.
constexpr std::uint32_t activation_blocks(std::uint32_t columns) { return (columns + 63) / 64 * 2; }

// What stands in a slot of the block added by rounding.
inline void zero_slot(ActivationBlock& block, std::uint32_t slot) {
  for (std::int8_t& q : block.q[slot]) q = 0;
  block.scale[slot] = block.scaled_sum[slot] = 0.0F;
  block.minus_8_sum[slot] = block.minus_128_sum[slot] = 0;
  block.minus_128_sum_low[slot] = block.minus_128_sum_high[slot] = 0;
}

// ActivationBlock [tiles(tokens)][activation_blocks(columns)]
constexpr std::size_t activation_bytes(std::uint32_t tokens, std::uint32_t columns) {
  return std::size_t{(tokens + kTokenTile - 1) / kTokenTile} * activation_blocks(columns) * sizeof(ActivationBlock);
}

}  // namespace troupe
