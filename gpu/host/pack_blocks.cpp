#include "gpu/host/pack_blocks.hpp"

#include <cmath>
#include <cstring>

#include "gpu/host/portable_math.hpp"
#include "tensor/block_codes.hpp"
#include "tensor/half.hpp"

namespace troupe {
namespace {

// Row `at` of the tile that begins at `tile`, in one format.
template <PackedFormat kFormat>
class TileRow {
 public:
  static constexpr PackedLayout kLayout = layout_of(kFormat);

  TileRow(std::byte* tile, std::uint32_t at) : tile_(tile), at_(at) {}

  // Codes of 32 columns, each below the width of the format.
  void put_codes(std::uint32_t block, const std::uint8_t* codes) const {
    std::byte* const lines = super_of(block) + kLayout.scale_bytes() + block % kLayout.blocks * kLayout.block_bytes();
    for (std::uint32_t k = 0; k < 32; ++k) put_code(lines, k / 4, 4 * at_ + k % 4, codes[k]);
  }
  // 16 bytes of nibbles: the file's order (element j low, j + 16 high) is the line's order.
  void put_nibbles(std::uint32_t block, const std::byte* nibbles) const {
    static_assert(code_bytes(kLayout.codes) == 256);
    std::byte* const lines = super_of(block) + kLayout.scale_bytes() + block % kLayout.blocks * kLayout.block_bytes();
    for (std::uint32_t line = 0; line < 4; ++line) std::memcpy(lines + 64 * line + 4 * at_, nibbles + 4 * line, 4);
  }

  // Scales; the f16 ones say whether they are finite.
  bool put_d(std::uint32_t block, const std::byte* half) const {
    if constexpr (kLayout.scales == Scales::kSub) return put_half(super_of(block) + 2 * at_, half);
    return put_half(super_of(block) + 2 * (16 * (block % kLayout.blocks) + at_), half);
  }
  bool put_m(std::uint32_t block, const std::byte* half) const {
    if constexpr (kLayout.scales == Scales::kSub) return put_half(super_of(block) + 32 + 2 * at_, half);
    return put_half(super_of(block) + kLayout.min_offset() + 2 * (16 * (block % kLayout.blocks) + at_), half);
  }
  void put_brain(std::uint32_t block, std::uint16_t bits) const {
    std::memcpy(super_of(block) + 2 * (16 * (block % kLayout.blocks) + at_), &bits, 2);
  }
  // sub: which scale of the super-block.
  void put_sub(std::uint32_t block, std::uint32_t sub, int scale, int min = 0) const {
    super_of(block)[64 + 16 * sub + at_] = static_cast<std::byte>(scale);
    if constexpr (kLayout.has_min) super_of(block)[kLayout.min_offset() + 16 * sub + at_] = static_cast<std::byte>(min);
  }

 private:
  std::byte* super_of(std::uint32_t block) const {
    return tile_ + std::size_t{block / kLayout.blocks} * kLayout.super_block_bytes();
  }
  static bool put_half(std::byte* to, const std::byte* half) {
    std::memcpy(to, half, 2);
    return f16_is_finite(blocks::load_u16(half));
  }
  static void put_bits(std::byte& byte, std::uint32_t bits, std::uint32_t at) {
    byte |= static_cast<std::byte>(bits << at);
  }
  static void put_code(std::byte* lines, std::uint32_t line, std::uint32_t lane, std::uint32_t code) {
    constexpr Codes kCodes = kLayout.codes;
    if constexpr (kCodes == Codes::kByte) {
      lines[64 * line + lane] = static_cast<std::byte>(code);
    } else if constexpr (kCodes == Codes::kTwo || kCodes == Codes::kThree) {
      put_bits(lines[64 * (line / 4) + lane], code & 3U, 2 * (line % 4));
      if constexpr (kCodes == Codes::kThree) put_bits(lines[128 + lane], code >> 2, line);
    } else {
      put_bits(lines[64 * (line % 4) + lane], code & 15U, line < 4 ? 0 : 4);
      if constexpr (kCodes == Codes::kFive) put_bits(lines[256 + lane], code >> 4, line);
      if constexpr (kCodes == Codes::kSix) put_bits(lines[256 + 64 * (line / 4) + lane], code >> 4, 2 * (line % 4));
    }
  }

  std::byte* tile_;
  std::uint32_t at_;
};

// d, q[16]: Q4_0 and IQ4_NL; with d, m, q[16]: Q4_1.
template <PackedFormat kFormat>
bool pack_nibbles(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  constexpr std::size_t kHead = layout_of(kFormat).has_min ? 4 : 2;
  const TileRow<kFormat> to(tile, at);
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += kHead + 16) {
    finite = to.put_d(block, row) && finite;
    if constexpr (layout_of(kFormat).has_min) finite = to.put_m(block, row + 2) && finite;
    to.put_nibbles(block, row + kHead);
  }
  return finite;
}

// d, qh, q[16]: Q5_0; d, m, qh, q[16]: Q5_1.
template <PackedFormat kFormat>
bool pack_fives(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  constexpr std::size_t kHead = layout_of(kFormat).has_min ? 4 : 2;
  const TileRow<kFormat> to(tile, at);
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += kHead + 20) {
    finite = to.put_d(block, row) && finite;
    if constexpr (layout_of(kFormat).has_min) finite = to.put_m(block, row + 2) && finite;
    const std::uint32_t high = blocks::load_u32(row + kHead);
    std::uint8_t codes[32];
    for (std::uint32_t e = 0; e < 32; ++e) {
      codes[e] = static_cast<std::uint8_t>(blocks::five_bits(row + kHead + 4, high, e));
    }
    to.put_codes(block, codes);
  }
  return finite;
}

bool pack_mxfp4(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  const TileRow<PackedFormat::kMxfp4> to(tile, at);
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += 17) {
    const float scale = blocks::mxfp4_scale(blocks::byte_at(row, 0));
    finite = std::isfinite(scale) && finite;
    to.put_brain(block, f32_to_bf16(scale));
    to.put_nibbles(block, row + 1);
  }
  return finite;
}

bool pack_q8_0(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  const TileRow<PackedFormat::kQ8_0> to(tile, at);
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += 34) {
    finite = to.put_d(block, row) && finite;
    std::uint8_t codes[32];
    for (std::uint32_t e = 0; e < 32; ++e) codes[e] = static_cast<std::uint8_t>(blocks::signed_at(row + 2, e) + 128);
    to.put_codes(block, codes);
  }
  return finite;
}

// What differs between the types with blocks of 256. code(block, e); scale(block, sub); min(block, sub).
struct Q2K {
  static constexpr std::size_t kBytes = blocks::q2_k::kBytes, kD = blocks::q2_k::kD, kMin = blocks::q2_k::kMin;
  static constexpr auto code = blocks::q2_k::code;
  static constexpr auto scale = blocks::q2_k::scale;
  static constexpr auto min = blocks::q2_k::min;
};
struct Q3K {
  static constexpr std::size_t kBytes = blocks::q3_k::kBytes, kD = blocks::q3_k::kD;
  static constexpr auto code = blocks::q3_k::code;
  static constexpr auto scale = blocks::q3_k::scale;
};
struct Q4K {
  static constexpr std::size_t kBytes = blocks::q45_k::kBytes4, kD = blocks::q45_k::kD, kMin = blocks::q45_k::kMin;
  static constexpr auto code = blocks::q45_k::code4;
  static constexpr auto scale = blocks::q45_k::scale;
  static constexpr auto min = blocks::q45_k::min;
};
struct Q5K : Q4K {
  static constexpr std::size_t kBytes = blocks::q45_k::kBytes5;
  static constexpr auto code = blocks::q45_k::code5;
};
struct Q6K {
  static constexpr std::size_t kBytes = blocks::q6_k::kBytes, kD = blocks::q6_k::kD;
  static constexpr auto code = blocks::q6_k::code;
  static constexpr auto scale = blocks::q6_k::scale;
};
struct Iq4Xs {
  static constexpr std::size_t kBytes = blocks::iq4_xs::kBytes, kD = blocks::iq4_xs::kD;
  static constexpr auto code = blocks::iq4_xs::code;
  static constexpr auto scale = blocks::iq4_xs::scale;
};

template <PackedFormat kFormat, class File>
bool pack_256(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  constexpr PackedLayout kLayout = layout_of(kFormat);
  const TileRow<kFormat> to(tile, at);
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; block += 8, row += File::kBytes) {
    finite = to.put_d(block, row + File::kD) && finite;
    if constexpr (kLayout.has_min) finite = to.put_m(block, row + File::kMin) && finite;
    for (std::uint32_t sub = 0; sub < 8 * kLayout.groups; ++sub) {
      if constexpr (kLayout.has_min) {
        to.put_sub(block, sub, static_cast<int>(File::scale(row, sub)), static_cast<int>(File::min(row, sub)));
      } else {
        to.put_sub(block, sub, static_cast<int>(File::scale(row, sub)));
      }
    }
    for (std::uint32_t part = 0; part < 8; ++part) {
      std::uint8_t codes[32];
      for (std::uint32_t e = 0; e < 32; ++e) codes[e] = static_cast<std::uint8_t>(File::code(row, 32 * part + e));
      to.put_codes(block + part, codes);
    }
  }
  return finite;
}

// F32, F16, BF16: the bits as they are.
template <PackedFormat kFormat, std::size_t kBytes>
bool pack_floats(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  bool finite = true;
  for (std::uint32_t k = 0; k < columns; ++k, row += kBytes, tile += kBytes * kTileRows) {
    std::memcpy(tile + kBytes * at, row, kBytes);
    std::uint32_t bits = 0;  // little-endian: the exponent is in the upper half
    std::memcpy(&bits, row, kBytes);
    const std::uint32_t exponent = kFormat == PackedFormat::kF32   ? 0x7F800000U
                                   : kFormat == PackedFormat::kF16 ? 0x7C00U
                                                                   : 0x7F80U;
    finite = finite && (bits & exponent) != exponent;
  }
  return finite;
}

}  // namespace

PackRow pack_row_of(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return pack_nibbles<PackedFormat::kQ4_0>;
    case DType::kQ4_1:
      return pack_nibbles<PackedFormat::kQ4_1>;
    case DType::kQ5_0:
      return pack_fives<PackedFormat::kQ5_0>;
    case DType::kQ5_1:
      return pack_fives<PackedFormat::kQ5_1>;
    case DType::kQ8_0:
      return pack_q8_0;
    case DType::kQ2_K:
      return pack_256<PackedFormat::kQ2_K, Q2K>;
    case DType::kQ3_K:
      return pack_256<PackedFormat::kQ3_K, Q3K>;
    case DType::kQ4_K:
      return pack_256<PackedFormat::kQ4_K, Q4K>;
    case DType::kQ5_K:
      return pack_256<PackedFormat::kQ5_K, Q5K>;
    case DType::kQ6_K:
      return pack_256<PackedFormat::kQ6_K, Q6K>;
    case DType::kIq4Nl:
      return pack_nibbles<PackedFormat::kIq4Nl>;
    case DType::kIq4Xs:
      return pack_256<PackedFormat::kIq4Xs, Iq4Xs>;
    case DType::kMxfp4:
      return pack_mxfp4;
    case DType::kF32:
      return pack_floats<PackedFormat::kF32, 4>;
    case DType::kF16:
      return pack_floats<PackedFormat::kF16, 2>;
    case DType::kBF16:
      return pack_floats<PackedFormat::kBF16, 2>;
  }
  TROUPE_CHECK(false, "a DType that cannot be packed");
  return nullptr;
}

}  // namespace troupe
