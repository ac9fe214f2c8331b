#pragma once
// How codes and scales lie in the blocks of a GGUF file: what dequantize.cpp turns into floats and gpu/host/pack_blocks
// into packed tiles. `block` is the block's first byte; element e counts from its start.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace troupe::blocks {

inline std::uint32_t byte_at(const std::byte* bytes, std::size_t index) {
  return std::to_integer<std::uint32_t>(bytes[index]);
}
inline int signed_at(const std::byte* bytes, std::size_t index) {
  return static_cast<std::int8_t>(byte_at(bytes, index));
}
inline std::uint16_t load_u16(const std::byte* bytes) {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
inline std::uint32_t load_u32(const std::byte* bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// 32 elements in 16 bytes: byte j holds element j in its low nibble and element j + 16 in its high one.
inline std::uint32_t nibble(const std::byte* nibbles, std::uint32_t e) {
  const std::uint32_t pair = byte_at(nibbles, e % 16);
  return e < 16 ? pair & 15U : pair >> 4;
}
inline std::uint32_t five_bits(const std::byte* nibbles, std::uint32_t high_bits, std::uint32_t e) {
  return nibble(nibbles, e) | (high_bits >> e & 1U) << 4;
}

// Values of a 4-bit code: y = d * value.
inline constexpr std::array<std::int8_t, 16> kIq4Values = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                           1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr std::array<std::int8_t, 16> kMxfp4Values = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// 2^(exponent - 128), exact for every byte (the values above are twice the real ones), but that 255 is the format's NaN
// (OCP Microscaling Formats 1.0, E8M0).
inline float mxfp4_scale(std::uint32_t exponent) {
  if (exponent == 255) return std::bit_cast<float>(0x7FC00000U);
  return std::bit_cast<float>(exponent < 2 ? 0x00200000U << exponent : (exponent - 1) << 23);
}

// ---- blocks of 256
namespace q2_k {  // scales[16], qs[64], d, dmin
inline constexpr std::size_t kBytes = 84, kD = 80, kMin = 82;
inline std::uint32_t code(const std::byte* block, std::uint32_t e) {
  return byte_at(block, 16 + e / 128 * 32 + e % 32) >> (e % 128 / 32 * 2) & 3U;
}
inline std::uint32_t scale(const std::byte* block, std::uint32_t sub) { return byte_at(block, sub) & 15U; }
inline std::uint32_t min(const std::byte* block, std::uint32_t sub) { return byte_at(block, sub) >> 4; }
}  // namespace q2_k

namespace q3_k {  // hmask[32], qs[64], scales[12], d
inline constexpr std::size_t kBytes = 110, kD = 108;
inline std::uint32_t code(const std::byte* block, std::uint32_t e) {  // 0 .. 7, means code - 4
  const std::uint32_t part = e % 128 / 32;
  const std::uint32_t low = byte_at(block, 32 + e / 128 * 32 + e % 32) >> (2 * part) & 3U;
  const std::uint32_t high = byte_at(block, e % 32) >> (4 * (e / 128) + part) & 1U;
  return low | high << 2;
}
inline int scale(const std::byte* block, std::uint32_t sub) {  // -32 .. 31
  const std::byte* scales = block + 96;
  const std::uint32_t low = sub < 8 ? byte_at(scales, sub) & 15U : byte_at(scales, sub - 8) >> 4;
  const std::uint32_t high = byte_at(scales, 8 + sub % 4) >> (2 * (sub / 4)) & 3U;
  return static_cast<int>(low | high << 4) - 32;
}
}  // namespace q3_k

// Q4_K: d, dmin, scales[12], qs[128]; Q5_K: d, dmin, scales[12], qh[32], qs[128].
namespace q45_k {
inline constexpr std::size_t kD = 0, kMin = 2, kBytes4 = 144, kBytes5 = 176;
inline std::uint32_t scale(const std::byte* block, std::uint32_t sub) {
  const std::byte* scales = block + 4;
  return sub < 4 ? byte_at(scales, sub) & 63U : (byte_at(scales, sub + 4) & 15U) | (byte_at(scales, sub - 4) >> 6) << 4;
}
inline std::uint32_t min(const std::byte* block, std::uint32_t sub) {
  const std::byte* scales = block + 4;
  return sub < 4 ? byte_at(scales, sub + 4) & 63U : byte_at(scales, sub + 4) >> 4 | (byte_at(scales, sub) >> 6) << 4;
}
inline std::uint32_t nibble_of(const std::byte* nibbles, std::uint32_t e) {
  const std::uint32_t pair = byte_at(nibbles, e / 64 * 32 + e % 32);
  return e / 32 % 2 == 0 ? pair & 15U : pair >> 4;
}
inline std::uint32_t code4(const std::byte* block, std::uint32_t e) { return nibble_of(block + 16, e); }
inline std::uint32_t code5(const std::byte* block, std::uint32_t e) {
  return nibble_of(block + 48, e) | (byte_at(block, 16 + e % 32) >> (e / 32) & 1U) << 4;
}
}  // namespace q45_k

namespace q6_k {  // ql[128], qh[64], i8 scales[16], d
inline constexpr std::size_t kBytes = 210, kD = 208;
inline std::uint32_t code(const std::byte* block, std::uint32_t e) {  // 0 .. 63, means code - 32
  const std::uint32_t half = e / 128;
  const std::uint32_t part = e % 128 / 32;
  const std::uint32_t pair = byte_at(block, 64 * half + e % 32 + 32 * (part % 2));
  const std::uint32_t low = part < 2 ? pair & 15U : pair >> 4;
  return low | (byte_at(block, 128 + 32 * half + e % 32) >> (2 * part) & 3U) << 4;
}
inline int scale(const std::byte* block, std::uint32_t sub) { return signed_at(block, 192 + sub); }
}  // namespace q6_k

namespace iq4_xs {  // d, u16 scales_h, scales_l[4], qs[128]
inline constexpr std::size_t kBytes = 136, kD = 0;
inline std::uint32_t code(const std::byte* block, std::uint32_t e) { return nibble(block + 8 + e / 32 * 16, e % 32); }
inline int scale(const std::byte* block, std::uint32_t sub) {  // -32 .. 31
  const std::uint32_t low = byte_at(block, 4 + sub / 2) >> (4 * (sub % 2)) & 15U;
  const std::uint32_t high = std::uint32_t{load_u16(block + 2)} >> (2 * sub) & 3U;
  return static_cast<int>(low | high << 4) - 32;
}
}  // namespace iq4_xs

}  // namespace troupe::blocks
