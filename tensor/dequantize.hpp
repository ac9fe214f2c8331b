#pragma once
// What each block format means, in float32, in the order ggml computes it (no fused multiply-add): the readable truth
// every packed form and every kernel is checked against. Blocks come from a mapped file and need no alignment.
#include <cstddef>

namespace troupe {
void dequantize_f32(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_f16(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_bf16(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q4_0(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q4_1(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q5_0(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q5_1(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q8_0(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q2_k(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q3_k(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q4_k(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q5_k(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_q6_k(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_iq4_nl(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_iq4_xs(const std::byte* blocks_in, std::size_t count, float* out);
void dequantize_mxfp4(const std::byte* blocks_in, std::size_t count, float* out);
}  // namespace troupe
