#include "gpu/host/pack_blocks.hpp"

#include <cmath>
#include <cstring>

#include "gpu/host/portable_math.hpp"
#include "tensor/half.hpp"

namespace troupe {
namespace {

// Block `block` (of 32 columns) of row `at` of a tile.
struct Place {
  std::byte* scales;  // the super-block's first byte
  std::byte* lines;   // of this block
  std::uint32_t half;
  std::uint32_t at;
};

Place place_of(PackedFormat format, std::byte* tile, std::uint32_t block, std::uint32_t at) {
  std::byte* const super = tile + std::size_t{block / 2} * super_block_bytes(format);
  const bool nibbles = format == PackedFormat::kQ4_0 || format == PackedFormat::kQ4_1;
  const std::uint32_t line_bytes = nibbles ? 256 : 512;
  return {super, super + super_block_bytes(format) - (2 - block % 2) * line_bytes, block % 2, at};
}

// Copies a half into the 16 of this block; false when it is not finite.
bool put_f16(const Place& place, std::size_t offset, const std::byte* half) {
  std::memcpy(place.scales + offset + 2 * (16 * place.half + place.at), half, 2);
  std::uint16_t bits = 0;
  std::memcpy(&bits, half, 2);
  return f16_is_finite(bits);
}

bool put_f32(const Place& place, std::uint32_t group, float scale) {
  std::memcpy(place.scales + 4 * (32 * place.half + 16 * group + place.at), &scale, 4);
  return std::isfinite(scale);
}

// 16 bytes of nibbles: the file's order (element j low, j + 16 high) is the line's order.
void put_nibbles(const Place& place, const std::byte* nibbles) {
  for (std::uint32_t line = 0; line < 4; ++line) {
    std::memcpy(place.lines + 64 * line + 4 * place.at, nibbles + 4 * line, 4);
  }
}

void put_bytes(const Place& place, const std::int8_t* q) {
  for (std::uint32_t k = 0; k < 32; ++k) {
    place.lines[k / 4 * 64 + 4 * place.at + k % 4] = static_cast<std::byte>(q[k] + 128);
  }
}

bool pack_q4_0(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += 18) {
    const Place place = place_of(PackedFormat::kQ4_0, tile, block, at);
    finite = put_f16(place, 0, row) && finite;
    put_nibbles(place, row + 2);
  }
  return finite;
}

bool pack_q4_1(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += 20) {
    const Place place = place_of(PackedFormat::kQ4_1, tile, block, at);
    finite = put_f16(place, 0, row) && finite;
    finite = put_f16(place, 64, row + 2) && finite;
    put_nibbles(place, row + 4);
  }
  return finite;
}

bool pack_q8_0(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += 34) {
    const Place place = place_of(PackedFormat::kQ8_0, tile, block, at);
    finite = put_f16(place, 0, row) && finite;
    std::int8_t q[32];
    std::memcpy(q, row + 2, sizeof q);
    put_bytes(place, q);
  }
  return finite;
}

// Element e of a Q6_K block, -32 .. 31: as in tensor/dequantize.cpp.
std::int8_t q6_k_value(const std::byte* block, std::uint32_t e) {
  const std::uint32_t half = e / 128;
  const std::uint32_t group = e % 128 / 32;
  const std::uint32_t lane = e % 32;
  const auto packed = std::to_integer<std::uint32_t>(block[64 * half + lane + 32 * (group % 2)]);
  const std::uint32_t low = group < 2 ? packed & 15U : packed >> 4;
  const std::uint32_t high = std::to_integer<std::uint32_t>(block[128 + 32 * half + lane]) >> (2 * group) & 3U;
  return static_cast<std::int8_t>(static_cast<int>(low | high << 4) - 32);
}

bool pack_q6_k(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  bool finite = true;
  for (std::uint32_t begin = 0; begin < columns; begin += 256, row += 210) {
    std::uint16_t half = 0;
    std::memcpy(&half, row + 208, 2);
    const float d = f16_to_f32(half);
    for (std::uint32_t block = 0; block < 8; ++block) {
      const Place place = place_of(PackedFormat::kS8, tile, begin / 32 + block, at);
      std::int8_t q[32];
      for (std::uint32_t k = 0; k < 32; ++k) q[k] = q6_k_value(row, 32 * block + k);
      put_bytes(place, q);
      for (std::uint32_t group = 0; group < 2; ++group) {
        const auto scale = static_cast<std::int8_t>(std::to_integer<std::uint8_t>(row[192 + 2 * block + group]));
        finite = put_f32(place, group, d * static_cast<float>(scale)) && finite;  // 11 + 8 bits: exact
      }
    }
  }
  return finite;
}

// F32, F16, BF16: int8 with one scale for each 16 columns.
template <DType kType>
bool pack_floats(const std::byte* row, std::uint32_t columns, std::byte* tile, std::uint32_t at) {
  const BlockFormat& format = format_of(kType);
  bool finite = true;
  for (std::uint32_t block = 0; block < columns / 32; ++block, row += std::size_t{32} * format.block_bytes) {
    const Place place = place_of(PackedFormat::kS8, tile, block, at);
    float w[32];
    std::int8_t q[32] = {};
    format.dequantize(row, 32, w);
    for (std::uint32_t group = 0; group < 2; ++group) {
      bool usable = true;
      for (std::uint32_t k = 16 * group; k < 16 * group + 16; ++k) usable = usable && std::isfinite(w[k]);
      finite = finite && usable;
      if (!usable) continue;
      const float m = portable::max_abs(w + 16 * group, 16);
      const float id = portable::inv(127.0F, m);
      put_f32(place, group, portable::scl(127.0F, m));
      for (std::uint32_t k = 16 * group; k < 16 * group + 16; ++k) {
        q[k] = static_cast<std::int8_t>(portable::rne(w[k] * id));
      }
    }
    put_bytes(place, q);
  }
  return finite;
}

}  // namespace

PackedFormat packed_format_of(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return PackedFormat::kQ4_0;
    case DType::kQ4_1:
      return PackedFormat::kQ4_1;
    case DType::kQ8_0:
      return PackedFormat::kQ8_0;
    case DType::kQ6_K:
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return PackedFormat::kS8;
  }
  TROUPE_CHECK(false, "a DType without a packed format");
  return PackedFormat::kS8;
}

PackRow pack_row_of(DType type) {
  switch (type) {
    case DType::kQ4_0:
      return pack_q4_0;
    case DType::kQ4_1:
      return pack_q4_1;
    case DType::kQ8_0:
      return pack_q8_0;
    case DType::kQ6_K:
      return pack_q6_k;
    case DType::kF32:
      return pack_floats<DType::kF32>;
    case DType::kF16:
      return pack_floats<DType::kF16>;
    case DType::kBF16:
      return pack_floats<DType::kBF16>;
  }
  TROUPE_CHECK(false, "a DType that cannot be packed");
  return nullptr;
}

}  // namespace troupe
