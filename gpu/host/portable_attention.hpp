#pragma once
// The portable kernels' rotation, caches and attention; HostKernels says what each of them does.
#include "gpu/host/kernels.hpp"

namespace troupe::portable {

void rope(float* v, const float* cos_sin, std::uint32_t dims);
void hadamard(float* v, std::uint32_t n);
bool append_kv(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim);
void attention(const AttentionTask& task);
bool append_kv_halves(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim);
void attend_halves(const AttentionTask& task);
void join_spans(const float* partials, std::size_t stride, std::uint32_t spans, std::uint32_t head_dim, float* out);

}  // namespace troupe::portable
