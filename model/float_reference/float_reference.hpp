#pragma once
// The forward pass as a textbook has it: float32 on dequantised weights, one token at a time, K/V in float. It is what
// the fast engines are measured against, so it is written to be read and shares nothing with them: it rotates the pairs
// where the file has them, and takes its cosines from the C library.
#include <cstdint>
#include <vector>

#include "model/architectures/model_description.hpp"
#include "runtime/request.hpp"

namespace troupe {

class FloatReference {
 public:
  // Copies the weights: 4 bytes a value. `context`: positions to be served, which longrope depends on; 0: the model's.
  explicit FloatReference(const ModelDescription& model, std::uint32_t context = 0);

  // The logits after the next token, [vocab_size].
  std::vector<float> step(TokenId token);
  // What the head read for them: the last layer's output behind the last norm, [hidden_size].
  const std::vector<float>& hidden_state() const { return hidden_state_; }
  void restart() { keys_.clear(), values_.clear(), position_ = 0; }

 private:
  struct Matrix {  // y[rows] = W x[columns]
    std::uint32_t columns = 0;
    std::uint32_t rows = 0;
    std::vector<float> values;  // [rows][columns]
    std::vector<float> times(const std::vector<float>& x) const;
  };
  // A vector that is empty is not there.
  struct Layer {
    std::vector<float> attn_norm, ffn_norm, q_bias, k_bias, v_bias, o_bias, q_norm, k_norm, post_attention_norm,
        post_ffw_norm;
    Matrix q, k, v, o, gate, up, down;
    AttentionDescription attention;
  };
  static Matrix read(const GgufTensor& tensor);

  std::vector<float> rmsnorm(const std::vector<float>& x, const std::vector<float>& gain) const;
  std::vector<float> project(const Matrix& matrix, const std::vector<float>& bias, const std::vector<float>& x) const;
  void normalise_heads(std::vector<float>& heads, const std::vector<float>& gain) const;  // [heads, head_dim]
  void rotate(std::vector<float>& heads, const RopeDescription& rope) const;              // at position_
  std::vector<float> attend(std::size_t layer, const std::vector<float>& q) const;
  float activate(float gate) const;

  HyperParameters hyper_;
  RopePairs rope_pairs_;
  Activation activation_;
  float embedding_scale_;
  std::uint32_t context_;
  Matrix token_embd_, output_;  // output_ is empty when tied
  std::vector<float> output_norm_;
  std::vector<Layer> layers_;
  // [layers][position_ * kv_heads * head_dim]
  std::vector<std::vector<float>> keys_, values_;
  std::uint32_t position_ = 0;
  std::vector<float> hidden_state_;
};

}  // namespace troupe
