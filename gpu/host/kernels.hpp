#pragma once
// The host's arithmetic, canon "q8" of numerics version TX1: one table of kernels for each instruction set. All tables
// compute the same bits; kernels_portable.cpp is the definition to read, the others equal it by memcmp. A result
// depends only on the values named in the rule: never on which tiles, tokens or threads it was computed with.
// Rule numbers are those of gpu/host/numerics.md. Inputs are finite; buffers of floats are aligned to 64 bytes and
// their rows padded to whole 16s (gemm writes the padding).
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "gpu/host/activation.hpp"
#include "gpu/host/packed_matrix.hpp"
#include "runtime/result.hpp"

namespace troupe {

inline constexpr const char* kNumericsVersion = "TX1";  // changes with any change of a rule or constant

enum class Epilogue : std::uint8_t {
  kStore,    // y = acc
  kAdd,      // y = y + acc: the residual
  kSiluMul,  // tiles 2i (gate) and 2i+1 (up) of an interleaved matrix: y[16i + r] = silu(gate) * up (rule 6)
};

// y [tokens][stride] floats; stride >= the padded output columns: 16 * tiles, for kSiluMul half of it.
struct GemmOutput {
  float* y = nullptr;
  std::size_t stride = 0;
  Epilogue epilogue = Epilogue::kStore;
  const float* bias = nullptr;  // [16 * tiles] in the packed order, added to acc first; nullptr: none
};

// Query rows that read the same K/V pages: some heads of one kv head's group, for tokens whose positions all lie in
// one page. Span by span (rule 11); a query is rotated, transformed and quantised in here (rules 7, 8, 10).
inline constexpr std::uint32_t kQueryRowsMax = 8;
struct QueryRow {
  const float* q = nullptr;        // [head_dim], not yet rotated
  const float* cos_sin = nullptr;  // the position's row of the RoPE table; nullptr: no rotary embedding
  float* out = nullptr;            // [head_dim]; may not overlap any q
  std::uint32_t position = 0;      // attends to 0 .. position
};
struct AttentionTask {
  const QueryRow* rows = nullptr;         // [count]
  std::uint32_t count = 0;                // 1 .. kQueryRowsMax
  std::uint32_t head_dim = 0;             // multiple of 16, <= kHeadDimMax
  std::uint32_t rope_dims = 0;            // even, <= head_dim
  float score_scale = 0.0F;               // c of rule 10, from score_scale()
  const std::byte* pages = nullptr;       // the page of block 0 of this layer and kv head
  std::size_t block_bytes = 0;            // from one block's page to the next block's
  const std::uint32_t* blocks = nullptr;  // block table: [position / 16 + 1]
};

// Rows sharing one index and value; ties go to the lowest index (rule 12).
struct MaxLogit {
  std::uint32_t index = 0;
  float value = 0.0F;
};

struct HostKernels {
  const char* name;  // "portable", "avx2", "avx512", "neon"

  // y[n] = x * r * gain (rule 2), n a multiple of 16; y may be x.
  void (*rmsnorm)(const float* x, const float* gain, std::uint32_t n, float eps, float* y);

  // x[columns], columns a multiple of 32, into slot `slot` (< 8) of a tile of activation_blocks(columns) blocks
  // (rule 3); writes that slot only. The first of the two normalises first (rule 2), without a rounding in between.
  void (*rmsnorm_quantize)(const float* x, const float* gain, std::uint32_t columns, float eps, ActivationBlock* tile,
                           std::uint32_t slot);
  void (*quantize)(const float* x, std::uint32_t columns, ActivationBlock* tile, std::uint32_t slot);

  // Rows [16 * tile_begin, 16 * tile_end) of w for tokens [token_begin, token_end) (rule 4). token_begin may be any
  // token; with kSiluMul both tile bounds are even. activations: [tiles of 8 tokens][w.blocks].
  void (*gemm)(const PackedMatrix& w, std::uint32_t tile_begin, std::uint32_t tile_end,
               const ActivationBlock* activations, std::uint32_t token_begin, std::uint32_t token_end,
               const GemmOutput& out);

  // h[n] = silu(gate) * up (rule 6) where gate and up are two matrices; n a multiple of 16; h may be gate.
  void (*silu_mul)(const float* gate, const float* up, std::uint32_t n, float* h);

  // Rotates the pairs (v[i], v[i + dims/2]) in place (rule 7); cos_sin: cos[dims/2], sin[dims/2].
  void (*rope)(float* v, const float* cos_sin, std::uint32_t dims);

  // Walsh-Hadamard transform in place, in blocks of hadamard_block(n) (rule 8); n a multiple of 16, <= kHeadDimMax.
  void (*hadamard)(float* v, std::uint32_t n);

  // Transforms, quantises and stores k[head_dim] (already rotated) and v[head_dim] as token `slot` (< 16) of a page
  // (rules 8, 9).
  void (*append_kv)(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim);

  void (*attention)(const AttentionTask& task);

  MaxLogit (*max_logit)(const float* logits, std::uint32_t n);  // n >= 1, any; needs no padding

  // 2^x (rule 5) for each of n values, any n; y may be x.
  void (*exp2)(const float* x, std::uint32_t n, float* y);
};

// The largest power of two that divides head_dim: the block of the Hadamard transform and the factor q.k gains by it.
constexpr std::uint32_t hadamard_block(std::uint32_t head_dim) { return head_dim & (~head_dim + 1); }

// c of rule 10: f32(scale * log2(e) / hadamard_block), scale = 1/sqrt(head_dim) or the model's own when > 0.
float score_scale(std::uint32_t head_dim, double model_scale = 0.0);

extern const HostKernels kPortableKernels;
#if defined(__x86_64__)
extern const HostKernels kAvx2Kernels;
extern const HostKernels kAvx512Kernels;
#elif defined(__aarch64__)
extern const HostKernels kNeonKernels;
#endif

// `forced` is the value of TROUPE_ISA: portable, avx2, avx512, neon, or empty for the best this CPU has.
// kConfiguration, naming the value and what the CPU has, when it is unknown or the CPU lacks it.
Result<const HostKernels*> select_kernels(std::string_view forced);
Result<const HostKernels*> select_kernels_from_environment();

}  // namespace troupe
