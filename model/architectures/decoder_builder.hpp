#pragma once
// What all our architectures have in common: the tensors of a decoder by their usual names. An architecture's file asks
// for them, adds its own, and sets how its layers attend.
#include <string>

#include "model/architectures/key_reader.hpp"
#include "model/architectures/model_description.hpp"
#include "model/architectures/tensor_lookup.hpp"

namespace troupe {

class DecoderBuilder {
 public:
  // Reads hyper-parameters, rotary embedding, embeddings, last norm and head; all layers attend in one way, to
  // everything before them.
  DecoderBuilder(const Metadata& metadata, const TensorTable& tensors, const std::string& architecture);

  ModelDescription model;
  KeyReader keys;
  TensorLookup tensors;

  const HyperParameters& hyper() const { return model.hyper; }
  static std::string name(std::uint32_t layer, const char* what);  // "blk.7.attn_q.weight"

  // Of layer `layer`, written to model.layers[layer].
  void add_norms(std::uint32_t layer);               // attn_norm, ffn_norm
  void add_attention(std::uint32_t layer);           // attn_q, attn_k, attn_v, attn_output
  void add_fused_attention(std::uint32_t layer);     // attn_qkv: rows of q, of k, of v; attn_output
  void add_biases(std::uint32_t layer);              // of q, k, v and output, those that are there
  void add_head_norms(std::uint32_t layer);          // attn_q_norm, attn_k_norm
  void add_feed_forward(std::uint32_t layer);        // ffn_gate, ffn_up, ffn_down
  void add_fused_feed_forward(std::uint32_t layer);  // ffn_up: rows of gate, of up; ffn_down
  void add_post_norms(std::uint32_t layer);          // post_attention_norm, post_ffw_norm

  std::uint32_t window();  // attention.sliding_window; 0: none

  // The first error, or a tensor nobody asked for.
  Result<ModelDescription> finish();

 private:
  LayerTensors& layer(std::uint32_t index) { return model.layers[index]; }
  const GgufTensor* slice(const GgufTensor* fused, std::uint64_t first_row, std::uint64_t rows);
  std::uint64_t q_rows() const { return std::uint64_t{hyper().num_attention_heads} * hyper().head_dim; }
  std::uint64_t kv_rows() const { return std::uint64_t{hyper().num_key_value_heads} * hyper().head_dim; }
};

}  // namespace troupe
