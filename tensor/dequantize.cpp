#include "tensor/dequantize.hpp"

#include <cstdint>
#include <cstring>

#include "tensor/block_codes.hpp"
#include "tensor/half.hpp"

namespace troupe {

using blocks::byte_at;
using blocks::load_u16;
using blocks::load_u32;

namespace {

float half_at(const std::byte* block, std::size_t offset) { return f16_to_f32(load_u16(block + offset)); }

}  // namespace

void dequantize_f32(const std::byte* blocks_in, std::size_t count, float* out) {
  std::memcpy(out, blocks_in, count * sizeof(float));
}

void dequantize_f16(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = f16_to_f32(load_u16(blocks_in + 2 * i));
}

void dequantize_bf16(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = bf16_to_f32(load_u16(blocks_in + 2 * i));
}

// d, q[16]
void dequantize_q4_0(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, blocks_in += 18, out += 32) {
    const float d = half_at(blocks_in, 0);
    for (std::uint32_t e = 0; e < 32; ++e) {
      out[e] = d * static_cast<float>(static_cast<int>(blocks::nibble(blocks_in + 2, e)) - 8);
    }
  }
}

// d, m, q[16]
void dequantize_q4_1(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, blocks_in += 20, out += 32) {
    const float d = half_at(blocks_in, 0);
    const float m = half_at(blocks_in, 2);
    for (std::uint32_t e = 0; e < 32; ++e) out[e] = static_cast<float>(blocks::nibble(blocks_in + 4, e)) * d + m;
  }
}

// d, qh, q[16]
void dequantize_q5_0(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, blocks_in += 22, out += 32) {
    const float d = half_at(blocks_in, 0);
    const std::uint32_t high = load_u32(blocks_in + 2);
    for (std::uint32_t e = 0; e < 32; ++e) {
      out[e] = d * static_cast<float>(static_cast<int>(blocks::five_bits(blocks_in + 6, high, e)) - 16);
    }
  }
}

// d, m, qh, q[16]
void dequantize_q5_1(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, blocks_in += 24, out += 32) {
    const float d = half_at(blocks_in, 0);
    const float m = half_at(blocks_in, 2);
    const std::uint32_t high = load_u32(blocks_in + 4);
    for (std::uint32_t e = 0; e < 32; ++e) {
      out[e] = d * static_cast<float>(blocks::five_bits(blocks_in + 8, high, e)) + m;
    }
  }
}

// d, i8 q[32]
void dequantize_q8_0(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, blocks_in += 34, out += 32) {
    const float d = half_at(blocks_in, 0);
    for (std::size_t e = 0; e < 32; ++e) out[e] = d * static_cast<float>(blocks::signed_at(blocks_in + 2, e));
  }
}

void dequantize_q2_k(const std::byte* blocks_in, std::size_t count, float* out) {
  using namespace blocks::q2_k;
  for (std::size_t i = 0; i < count; ++i, blocks_in += kBytes, out += 256) {
    const float d = half_at(blocks_in, kD);
    const float d_min = half_at(blocks_in, kMin);
    for (std::uint32_t e = 0; e < 256; ++e) {
      const float scaled = d * static_cast<float>(scale(blocks_in, e / 16)) * static_cast<float>(code(blocks_in, e));
      out[e] = scaled - d_min * static_cast<float>(min(blocks_in, e / 16));
    }
  }
}

void dequantize_q3_k(const std::byte* blocks_in, std::size_t count, float* out) {
  using namespace blocks::q3_k;
  for (std::size_t i = 0; i < count; ++i, blocks_in += kBytes, out += 256) {
    const float d = half_at(blocks_in, kD);
    for (std::uint32_t e = 0; e < 256; ++e) {
      const int q = static_cast<int>(code(blocks_in, e)) - 4;
      out[e] = d * static_cast<float>(scale(blocks_in, e / 16)) * static_cast<float>(q);
    }
  }
}

namespace {

template <std::size_t kBytes, auto kCode>
void dequantize_q45_k(const std::byte* blocks_in, std::size_t count, float* out) {
  using namespace blocks::q45_k;
  for (std::size_t i = 0; i < count; ++i, blocks_in += kBytes, out += 256) {
    const float d = half_at(blocks_in, kD);
    const float d_min = half_at(blocks_in, kMin);
    for (std::uint32_t e = 0; e < 256; ++e) {
      const float scaled = d * static_cast<float>(scale(blocks_in, e / 32)) * static_cast<float>(kCode(blocks_in, e));
      out[e] = scaled - d_min * static_cast<float>(min(blocks_in, e / 32));
    }
  }
}

}  // namespace

void dequantize_q4_k(const std::byte* blocks_in, std::size_t count, float* out) {
  dequantize_q45_k<blocks::q45_k::kBytes4, blocks::q45_k::code4>(blocks_in, count, out);
}

void dequantize_q5_k(const std::byte* blocks_in, std::size_t count, float* out) {
  dequantize_q45_k<blocks::q45_k::kBytes5, blocks::q45_k::code5>(blocks_in, count, out);
}

void dequantize_q6_k(const std::byte* blocks_in, std::size_t count, float* out) {
  using namespace blocks::q6_k;
  for (std::size_t i = 0; i < count; ++i, blocks_in += kBytes, out += 256) {
    const float d = half_at(blocks_in, kD);
    for (std::uint32_t e = 0; e < 256; ++e) {
      const int q = static_cast<int>(code(blocks_in, e)) - 32;
      out[e] = d * static_cast<float>(scale(blocks_in, e / 16)) * static_cast<float>(q);
    }
  }
}

// d, q[16]
void dequantize_iq4_nl(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, blocks_in += 18, out += 32) {
    const float d = half_at(blocks_in, 0);
    for (std::uint32_t e = 0; e < 32; ++e) {
      out[e] = d * static_cast<float>(blocks::kIq4Values[blocks::nibble(blocks_in + 2, e)]);
    }
  }
}

void dequantize_iq4_xs(const std::byte* blocks_in, std::size_t count, float* out) {
  using namespace blocks::iq4_xs;
  for (std::size_t i = 0; i < count; ++i, blocks_in += kBytes, out += 256) {
    const float d = half_at(blocks_in, kD);
    for (std::uint32_t e = 0; e < 256; ++e) {
      out[e] =
          d * static_cast<float>(scale(blocks_in, e / 32)) * static_cast<float>(blocks::kIq4Values[code(blocks_in, e)]);
    }
  }
}

// u8 exponent, q[16]
void dequantize_mxfp4(const std::byte* blocks_in, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i, blocks_in += 17, out += 32) {
    const float d = blocks::mxfp4_scale(byte_at(blocks_in, 0));
    for (std::uint32_t e = 0; e < 32; ++e) {
      out[e] = d * static_cast<float>(blocks::kMxfp4Values[blocks::nibble(blocks_in + 1, e)]);
    }
  }
}

}  // namespace troupe
