#pragma once
// What an architecture's builder makes of a file: a decoder in terms of the layers this program has, with a tensor for
// each of their weights. It points into the file; engines read the weights from here and copy them.
#include <cstdint>
#include <vector>

#include "model/architectures/hyper_parameters.hpp"
#include "model/gguf/tensor_table.hpp"

namespace troupe {

// x += o(attention(rope(q), rope(k), v)) of rmsnorm(x), then x += down(silu(gate) * up) of rmsnorm(x).
// Shapes as in the file: [columns, rows].
struct LayerTensors {
  const GgufTensor* attn_norm = nullptr;    // [hidden]
  const GgufTensor* attn_q = nullptr;       // [hidden, heads * head_dim]
  const GgufTensor* attn_k = nullptr;       // [hidden, kv_heads * head_dim]
  const GgufTensor* attn_v = nullptr;       // [hidden, kv_heads * head_dim]
  const GgufTensor* attn_output = nullptr;  // [heads * head_dim, hidden]
  const GgufTensor* ffn_norm = nullptr;     // [hidden]
  const GgufTensor* ffn_gate = nullptr;     // [hidden, intermediate]
  const GgufTensor* ffn_up = nullptr;       // [hidden, intermediate]
  const GgufTensor* ffn_down = nullptr;     // [intermediate, hidden]
};

// Which values of a head RoPE rotates together: (2p, 2p + 1), or (p, p + head_dim / 2).
enum class RopePairs : std::uint8_t { kAdjacent, kHalfSplit };

struct ModelDescription {
  HyperParameters hyper;
  RopePairs rope_pairs = RopePairs::kHalfSplit;
  const GgufTensor* token_embd = nullptr;   // [hidden, vocab]
  const GgufTensor* output_norm = nullptr;  // [hidden]
  const GgufTensor* output = nullptr;       // [hidden, vocab]; token_embd itself when the head is tied
  std::vector<LayerTensors> layers;
  std::vector<float> rope_divisors;  // [head_dim / 2], or empty

  bool is_tied() const { return output == token_embd; }
};

}  // namespace troupe
