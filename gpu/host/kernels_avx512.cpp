// The canon for CPUs with AVX-512 F, BW, DQ, VL and VNNI. This file alone is compiled with their flags.
#include "gpu/host/simd/basics.inc"
#include "gpu/host/simd/bytes_x86.inc"
#include "gpu/host/simd/lanes_avx512.inc"
// Lanes first.
#include "gpu/host/simd/dots_avx512.inc"
#include "gpu/host/simd/elementwise.inc"
// Then what is built on them.
#include "gpu/host/simd/attention.inc"
#include "gpu/host/simd/gemm_codes.inc"
#include "gpu/host/simd/gemm_dots.inc"
#include "gpu/host/simd/gemm_tile.inc"
// What needs them, and the forms for floats.
#include "gpu/host/simd/attention_halves.inc"
#include "gpu/host/simd/gemm_floats.inc"
#include "gpu/host/simd/gemm_unpacked.inc"
// Last: when which of them.
#include "gpu/host/simd/gemm.inc"

namespace troupe {
const HostKernels kAvx512Kernels = {
    "avx512",      rmsnorm,     rmsnorm_quantize, quantize,         rmsnorm_quantize_tile,
    quantize_tile, gemm,        gemm_floats,      gate_mul_rows,    rope,
    hadamard,      append_kv,   attention,        append_kv_halves, attend_halves,
    join_spans,    soft_cap_of, max_logit,        exp2_of};
}  // namespace troupe
