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
#include "gpu/host/cpu_features.hpp"
#include "gpu/host/kv_layout.hpp"
#include "gpu/host/packed_matrix.hpp"
#include "runtime/result.hpp"

namespace troupe {

inline constexpr const char* kNumericsVersion = "TX1";  // changes with any change of a rule or constant

enum class Epilogue : std::uint8_t {
  kStore,    // y = acc
  kAdd,      // y = y + acc: the residual
  kSiluMul,  // tiles 2i (gate) and 2i+1 (up) of an interleaved matrix: y[16i + r] = silu(gate) * up (rule 6)
  kGeluMul,  // the same with the tanh form of GELU
};
constexpr bool takes_two_tiles(Epilogue epilogue) { return epilogue >= Epilogue::kSiluMul; }

// What a thread will read after a product, fetched into its second cache between this one's multiplications, some lines
// at a time: `bytes` of each block in [block, end). A product leaves it where it came to.
struct alignas(64) FetchAhead {
  const std::byte* base = nullptr;  // of block 0
  std::size_t stride = 0;           // from one block to the next
  std::size_t bytes = 0;
  const std::uint32_t* block = nullptr;
  const std::uint32_t* end = nullptr;
  std::size_t at = 0;  // bytes of *block that were fetched
};

// y [tokens][stride] floats; stride >= the padded output columns: 16 * tiles, half of it where gate and up are one.
struct GemmOutput {
  float* y = nullptr;
  std::size_t stride = 0;
  Epilogue epilogue = Epilogue::kStore;
  const float* bias = nullptr;  // [16 * tiles] in the packed order, added to acc first; nullptr: none
  FetchAhead* ahead = nullptr;  // for phases [threads]; nullptr: nothing is fetched
};

// x becomes limit * tanh(x / limit), from score_cap() or logit_cap() (rule 13).
struct SoftCap {
  float slope = 0.0F;  // e^(2x / limit) = 2^(slope * x) in the unit x has
  float limit = 0.0F;  // 0: x stays as it is
};

// Query rows that read the same K/V pages: some heads of one kv head's group, for tokens whose positions all lie in
// one page and whose first visible positions all lie in one span. Span by span (rule 11); a query is rotated,
// transformed and quantised in here (rules 7, 8, 10).
inline constexpr std::uint32_t kQueryRowsMax = 8;
inline constexpr std::uint32_t kAllSpans = 0xFFFFFFFFU;
struct QueryRow {
  const float* q = nullptr;        // [head_dim], not yet rotated
  const float* cos_sin = nullptr;  // the position's row of the RoPE table; nullptr: no rotary embedding
  float* out = nullptr;            // [head_dim]; may not overlap any q
  std::uint32_t position = 0;      // attends to first_visible(position, window) .. position
};
constexpr std::uint32_t first_visible(std::uint32_t position, std::uint32_t window) {
  return window == 0 || position < window ? 0 : position - window + 1;
}
// What one span gives a row before it joins the others: o[head_dim], then m, l and padding.
constexpr std::uint32_t partial_floats(std::uint32_t head_dim) { return head_dim + 16; }
// Pages [begin, end) of a block table.
struct PageRun {
  const std::byte* pages = nullptr;
  const std::uint32_t* blocks = nullptr;
  std::uint32_t begin = 0, end = 0;
};
struct AttentionTask {
  const QueryRow* rows = nullptr;         // [count]
  std::uint32_t count = 0;                // 1 .. kQueryRowsMax
  std::uint32_t head_dim = 0;             // multiple of 16, <= kHeadDimMax
  std::uint32_t rope_dims = 0;            // even, <= head_dim
  float score_scale = 0.0F;               // c of rule 10, from score_scale()
  std::uint32_t window = 0;               // positions a query sees, its own included; 0: all
  SoftCap cap;                            // of scores
  const std::byte* pages = nullptr;       // the page of block 0 of this layer and kv head
  std::size_t block_bytes = 0;            // from one block's page to the next block's
  const std::uint32_t* blocks = nullptr;  // block table: [position / 16 + 1]
  std::uint32_t span_begin = 0;           // only positions of spans [span_begin, span_end), where all rows see some
  std::uint32_t span_end = kAllSpans;     //   (one span with `partials`)
  PageRun next;                           // what the thread will most likely read next: fetched ahead
  float* partials = nullptr;              // [count][partial_floats(head_dim)]: the span's share instead of `out`
};

// Rows sharing one index and value; ties go to the lowest index (rule 12).
struct MaxLogit {
  std::uint32_t index = 0;
  float value = 0.0F;
};

struct HostKernels {
  const char* name;  // "portable", "avx2", "avxvnni", "avx512", "neon", "i8mm"

  // y[n] = x * r * gain (rule 2), n a multiple of 16; y may be x.
  void (*rmsnorm)(const float* x, const float* gain, std::uint32_t n, float eps, float* y);

  // x[columns], columns a multiple of 32, into slot `slot` (< 8) of columns / 32 blocks (rule 3); writes that slot
  // only. The first of the two normalises first (rule 2), without a rounding in between.
  void (*rmsnorm_quantize)(const float* x, const float* gain, std::uint32_t columns, float eps, ActivationBlock* tile,
                           std::uint32_t slot);
  void (*quantize)(const float* x, std::uint32_t columns, ActivationBlock* tile, std::uint32_t slot);
  // Both for all slots of a tile: slot i has the row x + i * stride.
  void (*rmsnorm_quantize_tile)(const float* x, std::size_t stride, const float* gain, std::uint32_t columns, float eps,
                                ActivationBlock* tile);
  void (*quantize_tile)(const float* x, std::size_t stride, std::uint32_t columns, ActivationBlock* tile);

  // Rows [16 * tile_begin, 16 * tile_end) of w for tokens [token_begin, token_end) (rule 4). token_begin may be any
  // token; where gate and up are one both tile bounds are even. activations: [tiles of 8 tokens][w.blocks].
  void (*gemm)(const PackedMatrix& w, std::uint32_t tile_begin, std::uint32_t tile_end,
               const ActivationBlock* activations, std::uint32_t token_begin, std::uint32_t token_end,
               const GemmOutput& out);

  // The same for formats of floats: x [tokens][x_stride].
  void (*gemm_floats)(const PackedMatrix& w, std::uint32_t tile_begin, std::uint32_t tile_end, const float* x,
                      std::size_t x_stride, std::uint32_t token_begin, std::uint32_t token_end, const GemmOutput& out);

  // h[n] = silu(gate) * up, or gelu(gate) * up (rule 6), where gate and up are two matrices; `how` says which; n a
  // multiple of 16; h may be gate.
  void (*gate_mul)(Epilogue how, const float* gate, const float* up, std::uint32_t n, float* h);

  // Rotates the pairs (v[i], v[i + dims/2]) in place (rule 7); cos_sin: cos[dims/2], sin[dims/2].
  void (*rope)(float* v, const float* cos_sin, std::uint32_t dims);

  // Walsh-Hadamard transform in place, in blocks of hadamard_block(n) (rule 8); n a multiple of 16, <= kHeadDimMax.
  void (*hadamard)(float* v, std::uint32_t n);

  // Transforms, quantises and stores k[head_dim] (already rotated) and v[head_dim] as token `slot` (< 16) of a page
  // (rules 8, 9). A head with a value that is not finite is stored as zeros, so that no page carries a NaN to its next
  // owner; false says so.
  bool (*append_kv)(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim);

  void (*attention)(const AttentionTask& task);

  // The same for a cache in f16 (rules 9 to 11, f16): nothing is transformed; what is beyond f16 becomes its largest
  // value.
  bool (*append_kv_halves)(std::byte* page, std::uint32_t slot, const float* k, const float* v, std::uint32_t head_dim);
  void (*attend_halves)(const AttentionTask& task);

  // out[head_dim] of one row from its spans' shares, in ascending order: partials [spans][stride] (rule 11).
  void (*join_spans)(const float* partials, std::size_t stride, std::uint32_t spans, std::uint32_t head_dim,
                     float* out);

  void (*soft_cap)(const float* x, std::uint32_t n, SoftCap cap, float* y);  // any n; y may be x

  MaxLogit (*max_logit)(const float* logits, std::uint32_t n);  // n >= 1, any; needs no padding

  // 2^x (rule 5) for each of n values, any n; y may be x.
  void (*exp2)(const float* x, std::uint32_t n, float* y);
};

// The largest power of two that divides head_dim: the block of the Hadamard transform and the factor q.k gains by it.
constexpr std::uint32_t hadamard_block(std::uint32_t head_dim) { return head_dim & (~head_dim + 1); }

// c of rule 10: f32(scale * log2(e) / hadamard_block), scale = 1/sqrt(head_dim) or the model's own when > 0; without
// the block for a cache in f16.
float score_scale(std::uint32_t head_dim, double model_scale = 0.0, KvType type = KvType::kInt8);

// For scores, which are exponents of 2 here, and for logits; cap > 0, or 0 for none.
SoftCap score_cap(double cap);
SoftCap logit_cap(double cap);

extern const HostKernels kPortableKernels;
#if defined(__x86_64__)
extern const HostKernels kAvx2Kernels;
extern const HostKernels kAvxVnniKernels;
extern const HostKernels kAvx512Kernels;
#elif defined(__aarch64__)
extern const HostKernels kNeonKernels;
extern const HostKernels kI8mmKernels;
#endif

// `forced` is the value of TROUPE_ISA: the name of a table, or empty for the best this CPU has.
// kConfiguration, naming the value and what the CPU has, when it is unknown or the CPU lacks it.
Result<const HostKernels*> select_kernels(std::string_view forced);
Result<const HostKernels*> select_kernels(std::string_view forced, const CpuFeatures& cpu);  // on that CPU
Result<const HostKernels*> select_kernels_from_environment();

}  // namespace troupe
