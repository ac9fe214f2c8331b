#pragma once
// How the weights of each packed format lie in memory ("N16K64"): tiles of 16 output rows; in a tile one super-block
// after the other, 64 columns each (256 where the file's block has 256); a super-block is first scales, then a block
// for every 32 columns. Codes are arranged in lines of 64 bytes, one line for 16 rows x 4 columns, line g of a block
// for its columns 4g .. 4g + 3: what one wide dot-product instruction takes. Byte 4 * row + j of a line belongs to
// column 4g + j.
//
// Codes of a block:
//   kNibble   256 B: line g in the low, line g + 4 in the high half of the bytes of g (g < 4)
//   kTable    the same; a code is looked up in a table of 16 values
//   kFive     kNibble, then 64 B: bit g of each byte is the fifth bit of line g
//   kSix      kNibble, then 2 x 64 B: bits 2(g % 4) and 2(g % 4) + 1 of the byte in half g / 4 are line g's upper two
//   kTwo      2 x 64 B: as kSix's halves, alone
//   kThree    kTwo, then 64 B: bit g of each byte is the third bit of line g
//   kByte     512 B: stored + 128
//   kHalves   [32 columns][16] f16 or bf16 weights, no scales
//   kFloats   [32 columns][16] f32 weights, no scales
// Scales of a super-block, one after the other; [..][16] is by row:
//   kHalf     f16 d[blocks][16], then f16 m[blocks][16] when there is a minimum
//   kBrain    bf16 d[blocks][16]
//   kSub      f16 d[16], f16 m[16] (0 without minimum), i8 scale[blocks * groups][16], then i8 min[blocks * groups][16]
//             when there is one: a group's d is d * scale (exact in f32), its minimum -(m * min)
// A weight is d * (code - zero) + minimum.
#include <cstddef>
#include <cstdint>

#include "tensor/block_codes.hpp"
#include "tensor/dtype.hpp"

namespace troupe {

inline constexpr std::uint32_t kTileRows = 16;

enum class Codes : std::uint8_t { kNibble, kTable, kFive, kSix, kTwo, kThree, kByte, kHalves, kFloats };
enum class Scales : std::uint8_t { kHalf, kBrain, kSub, kNone };

enum class PackedFormat : std::uint8_t {
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kIq4Nl,
  kMxfp4,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIq4Xs,
  kF32,  // from here on weights are floats and meet activations that are floats
  kF16,
  kBF16,
};
inline constexpr std::size_t kPackedFormats = 16;
inline constexpr std::size_t kCodeFormats = 13;  // before the floats
constexpr bool has_codes(PackedFormat format) { return static_cast<std::size_t>(format) < kCodeFormats; }

constexpr std::uint32_t code_bytes(Codes codes) {  // of a block
  switch (codes) {
    case Codes::kNibble:
    case Codes::kTable:
      return 256;
    case Codes::kFive:
      return 320;
    case Codes::kSix:
      return 384;
    case Codes::kTwo:
      return 128;
    case Codes::kThree:
      return 192;
    case Codes::kByte:
      return 512;
    case Codes::kHalves:
      return 1024;
    case Codes::kFloats:
      return 2048;
  }
  return 0;
}

struct PackedLayout {
  const char* name;
  Codes codes;
  Scales scales;
  std::uint32_t blocks;  // of 32 columns, in a super-block: 2 or 8
  std::uint32_t groups;  // with a scale of their own, in a block: 1 or 2
  int zero;              // the code that means 0
  bool has_min;

  constexpr std::uint32_t columns() const { return 32 * blocks; }
  constexpr std::uint32_t block_bytes() const { return code_bytes(codes); }
  constexpr std::uint32_t scale_bytes() const {  // a multiple of 64, so that lines are whole cache lines
    switch (scales) {
      case Scales::kHalf:
        return blocks * 32 * (has_min ? 2 : 1);
      case Scales::kBrain:
        return blocks * 32;
      case Scales::kSub:
        return 64 + blocks * groups * 16 * (has_min ? 2 : 1);
      case Scales::kNone:
        break;
    }
    return 0;
  }
  constexpr std::uint32_t super_block_bytes() const { return scale_bytes() + blocks * block_bytes(); }
  // Where the minima begin in a super-block.
  constexpr std::uint32_t min_offset() const {
    return scales == Scales::kSub ? 64 + blocks * groups * 16 : blocks * 32;
  }
};

constexpr PackedLayout layout_of(PackedFormat format) {
  switch (format) {
    case PackedFormat::kQ4_0:
      return {"q4_0", Codes::kNibble, Scales::kHalf, 2, 1, 8, false};
    case PackedFormat::kQ4_1:
      return {"q4_1", Codes::kNibble, Scales::kHalf, 2, 1, 0, true};
    case PackedFormat::kQ5_0:
      return {"q5_0", Codes::kFive, Scales::kHalf, 2, 1, 16, false};
    case PackedFormat::kQ5_1:
      return {"q5_1", Codes::kFive, Scales::kHalf, 2, 1, 0, true};
    case PackedFormat::kQ8_0:
      return {"q8_0", Codes::kByte, Scales::kHalf, 2, 1, 128, false};
    case PackedFormat::kIq4Nl:
      return {"iq4_nl", Codes::kTable, Scales::kHalf, 2, 1, 128, false};
    case PackedFormat::kMxfp4:
      return {"mxfp4", Codes::kTable, Scales::kBrain, 2, 1, 128, false};
    case PackedFormat::kQ2_K:
      return {"q2_k", Codes::kTwo, Scales::kSub, 8, 2, 0, true};
    case PackedFormat::kQ3_K:
      return {"q3_k", Codes::kThree, Scales::kSub, 8, 2, 4, false};
    case PackedFormat::kQ4_K:
      return {"q4_k", Codes::kNibble, Scales::kSub, 8, 1, 0, true};
    case PackedFormat::kQ5_K:
      return {"q5_k", Codes::kFive, Scales::kSub, 8, 1, 0, true};
    case PackedFormat::kQ6_K:
      return {"q6_k", Codes::kSix, Scales::kSub, 8, 2, 32, false};
    case PackedFormat::kIq4Xs:
      return {"iq4_xs", Codes::kTable, Scales::kSub, 8, 1, 128, false};
    case PackedFormat::kF32:
      return {"f32", Codes::kFloats, Scales::kNone, 2, 1, 0, false};
    case PackedFormat::kF16:
      return {"f16", Codes::kHalves, Scales::kNone, 2, 1, 0, false};
    case PackedFormat::kBF16:
      return {"bf16", Codes::kHalves, Scales::kNone, 2, 1, 0, false};
  }
  return {};
}

constexpr PackedFormat packed_format_of(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return PackedFormat::kQ4_0;
    case DType::kQ4_1:
      return PackedFormat::kQ4_1;
    case DType::kQ5_0:
      return PackedFormat::kQ5_0;
    case DType::kQ5_1:
      return PackedFormat::kQ5_1;
    case DType::kQ8_0:
      return PackedFormat::kQ8_0;
    case DType::kQ2_K:
      return PackedFormat::kQ2_K;
    case DType::kQ3_K:
      return PackedFormat::kQ3_K;
    case DType::kQ4_K:
      return PackedFormat::kQ4_K;
    case DType::kQ5_K:
      return PackedFormat::kQ5_K;
    case DType::kQ6_K:
      return PackedFormat::kQ6_K;
    case DType::kIq4Nl:
      return PackedFormat::kIq4Nl;
    case DType::kIq4Xs:
      return PackedFormat::kIq4Xs;
    case DType::kMxfp4:
      return PackedFormat::kMxfp4;
    case DType::kF32:
      break;
    case DType::kF16:
      return PackedFormat::kF16;
    case DType::kBF16:
      return PackedFormat::kBF16;
  }
  return PackedFormat::kF32;
}

// The values of a kTable format's 16 codes, + 128.
struct CodeTable {
  std::uint8_t value[16];
};
constexpr CodeTable table_of(PackedFormat format) {
  CodeTable table{};
  for (std::uint32_t code = 0; code < 16; ++code) {
    const auto& values = format == PackedFormat::kMxfp4 ? blocks::kMxfp4Values : blocks::kIq4Values;
    table.value[code] = static_cast<std::uint8_t>(values[code] + 128);
  }
  return table;
}

}  // namespace troupe
