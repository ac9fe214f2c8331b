#pragma once
// What an architecture's builder makes of a file: a decoder in terms of the layers this program has, with a tensor for
// each of their weights. It points into the file; engines read the weights from here and copy them.
#include <cstdint>
#include <deque>
#include <vector>

#include "model/architectures/hyper_parameters.hpp"
#include "model/architectures/rope_description.hpp"
#include "model/gguf/tensor_table.hpp"

namespace troupe {

// a = o(attention(rope(norm(q)), rope(norm(k)), v)) of rmsnorm(x);   x += post_norm(a)
// f = down(activation(gate) * up)                   of rmsnorm(x);   x += post_norm(f)
// What is nullptr is not there: a norm that is the identity, a bias of zeros. Shapes as in the file: [columns, rows].
struct LayerTensors {
  const GgufTensor* attn_norm = nullptr;            // [hidden]
  const GgufTensor* attn_q = nullptr;               // [hidden, heads * head_dim]
  const GgufTensor* attn_k = nullptr;               // [hidden, kv_heads * head_dim]
  const GgufTensor* attn_v = nullptr;               // [hidden, kv_heads * head_dim]
  const GgufTensor* attn_q_bias = nullptr;          // [heads * head_dim]
  const GgufTensor* attn_k_bias = nullptr;          // [kv_heads * head_dim]
  const GgufTensor* attn_v_bias = nullptr;          // [kv_heads * head_dim]
  const GgufTensor* attn_q_norm = nullptr;          // [head_dim], for each head
  const GgufTensor* attn_k_norm = nullptr;          // [head_dim], for each head
  const GgufTensor* attn_output = nullptr;          // [heads * head_dim, hidden]
  const GgufTensor* attn_output_bias = nullptr;     // [hidden]
  const GgufTensor* post_attention_norm = nullptr;  // [hidden]
  const GgufTensor* ffn_norm = nullptr;             // [hidden]
  const GgufTensor* ffn_gate = nullptr;             // [hidden, intermediate]
  const GgufTensor* ffn_up = nullptr;               // [hidden, intermediate]
  const GgufTensor* ffn_down = nullptr;             // [intermediate, hidden]
  const GgufTensor* post_ffw_norm = nullptr;        // [hidden]
  std::uint32_t attention = 0;                      // which of ModelDescription::attention
};

// How some of the layers attend.
struct AttentionDescription {
  RopeDescription rope;
  std::uint32_t window = 0;  // positions a token sees, its own included; 0: all before it
};

// Which values of a head RoPE rotates together: (2p, 2p + 1), or (p, p + dims / 2).
enum class RopePairs : std::uint8_t { kAdjacent, kHalfSplit };

enum class Activation : std::uint8_t { kSilu, kGelu };  // GELU in its tanh form

struct ModelDescription {
  HyperParameters hyper;
  RopePairs rope_pairs = RopePairs::kHalfSplit;
  Activation activation = Activation::kSilu;
  float embedding_scale = 1.0F;             // rows of token_embd are multiplied by it, those of output are not
  const GgufTensor* token_embd = nullptr;   // [hidden, vocab]
  const GgufTensor* output_norm = nullptr;  // [hidden]
  const GgufTensor* output = nullptr;       // [hidden, vocab]; token_embd itself when the head is tied
  std::vector<AttentionDescription> attention;
  std::vector<LayerTensors> layers;
  std::deque<GgufTensor> slices;  // rows of fused tensors; layers point at them

  bool is_tied() const { return output == token_embd; }
};

}  // namespace troupe
