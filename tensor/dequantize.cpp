#include "tensor/dequantize.hpp"

#include <cstdint>
#include <cstring>

#include "tensor/half.hpp"

namespace troupe {
namespace {

std::uint16_t load_u16(const std::byte* bytes) {
  std::uint16_t value = 0;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
std::uint32_t byte_at(const std::byte* bytes, std::size_t index) {
  return std::to_integer<std::uint32_t>(bytes[index]);
}
int signed_at(const std::byte* bytes, std::size_t index) { return static_cast<std::int8_t>(byte_at(bytes, index)); }

}  // namespace

void dequantize_f32(const std::byte* blocks_in, std::size_t blocks, float* out) {
  std::memcpy(out, blocks_in, blocks * sizeof(float));
}

void dequantize_f16(const std::byte* blocks_in, std::size_t blocks, float* out) {
  for (std::size_t i = 0; i < blocks; ++i) out[i] = f16_to_f32(load_u16(blocks_in + 2 * i));
}

void dequantize_bf16(const std::byte* blocks_in, std::size_t blocks, float* out) {
  for (std::size_t i = 0; i < blocks; ++i) out[i] = bf16_to_f32(load_u16(blocks_in + 2 * i));
}

// d, q[16]: byte j holds element j in its low and element j + 16 in its high nibble; y = d * (q - 8)
void dequantize_q4_0(const std::byte* blocks_in, std::size_t blocks, float* out) {
  for (std::size_t i = 0; i < blocks; ++i, blocks_in += 18, out += 32) {
    const float d = f16_to_f32(load_u16(blocks_in));
    for (std::size_t j = 0; j < 16; ++j) {
      const int q = static_cast<int>(byte_at(blocks_in + 2, j));
      out[j] = d * static_cast<float>((q & 15) - 8);
      out[j + 16] = d * static_cast<float>((q >> 4) - 8);
    }
  }
}

// d, m, q[16]: y = q * d + m
void dequantize_q4_1(const std::byte* blocks_in, std::size_t blocks, float* out) {
  for (std::size_t i = 0; i < blocks; ++i, blocks_in += 20, out += 32) {
    const float d = f16_to_f32(load_u16(blocks_in));
    const float m = f16_to_f32(load_u16(blocks_in + 2));
    for (std::size_t j = 0; j < 16; ++j) {
      const std::uint32_t q = byte_at(blocks_in + 4, j);
      out[j] = static_cast<float>(q & 15U) * d + m;
      out[j + 16] = static_cast<float>(q >> 4) * d + m;
    }
  }
}

// d, i8 q[32]: y = d * q
void dequantize_q8_0(const std::byte* blocks_in, std::size_t blocks, float* out) {
  for (std::size_t i = 0; i < blocks; ++i, blocks_in += 34, out += 32) {
    const float d = f16_to_f32(load_u16(blocks_in));
    for (std::size_t j = 0; j < 32; ++j) out[j] = d * static_cast<float>(signed_at(blocks_in + 2, j));
  }
}

// ql[128], qh[64], i8 scales[16], d; 256 elements in two halves of four groups of 32: y = (d * scale) * (q - 32)
void dequantize_q6_k(const std::byte* blocks_in, std::size_t blocks, float* out) {
  for (std::size_t i = 0; i < blocks; ++i, blocks_in += 210, out += 256) {
    const std::byte* scales = blocks_in + 192;
    const float d = f16_to_f32(load_u16(blocks_in + 208));
    for (std::size_t e = 0; e < 256; ++e) {
      const std::size_t half = e / 128;
      const std::size_t group = e % 128 / 32;
      const std::size_t lane = e % 32;
      const std::uint32_t packed = byte_at(blocks_in, 64 * half + lane + 32 * (group % 2));
      const std::uint32_t low = group < 2 ? packed & 15U : packed >> 4;
      const std::uint32_t high = byte_at(blocks_in + 128, 32 * half + lane) >> (2 * group) & 3U;
      const float scale = d * static_cast<float>(signed_at(scales, e / 16));
      out[e] = scale * static_cast<float>(static_cast<int>(low | high << 4) - 32);
    }
  }
}

}  // namespace troupe
