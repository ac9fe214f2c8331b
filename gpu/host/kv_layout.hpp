#pragma once
// The paged K/V cache (rule 9): int8 with one f32 scale a token and head, or f16. A page is one KV block (16 tokens) of
// one layer and kv head; the pages of all kv heads of a layer lie together, the layers of a block one after the other:
//   pool  [blocks][layers][kv_heads] pages
//   page  u8  k[head_dim/4][16 tokens][4]   rotated, stored + 128
//         i8  v[8 token pairs][head_dim][2]
//         f32 k_scale[16], v_scale[16]
//     or  f16 k[head_dim][16 tokens]
//         f16 v[16 tokens][head_dim]
// The pool starts zeroed and only ever holds finite values.
#include <cstddef>
#include <cstdint>

namespace troupe {

inline constexpr std::uint32_t kPageTokens = 16;
inline constexpr std::uint32_t kSpanTokens = 256;  // positions of one attention span (rule 11)
inline constexpr std::uint32_t kHeadDimMax = 256;  // head_dim is a multiple of 16 up to this

enum class KvType : std::uint8_t { kInt8, kF16 };
constexpr const char* name_of(KvType type) { return type == KvType::kInt8 ? "int8" : "f16"; }

struct KvLayout {
  std::uint32_t layers = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  KvType type = KvType::kInt8;

  constexpr std::size_t page_bytes() const {
    if (type == KvType::kF16) return std::size_t{64} * head_dim;
    return std::size_t{32} * head_dim + 2 * kPageTokens * sizeof(float);
  }
  constexpr std::size_t block_bytes() const { return std::size_t{layers} * kv_heads * page_bytes(); }
  // Of a page inside its block.
  constexpr std::size_t page_offset(std::uint32_t layer, std::uint32_t kv_head) const {
    return (std::size_t{layer} * kv_heads + kv_head) * page_bytes();
  }
  // What one token costs in all layers.
  constexpr std::size_t token_bytes() const { return block_bytes() / kPageTokens; }
};

}  // namespace troupe
