#include "model/architectures/decoder_builder.hpp"

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kVocabMax = 1U << 22;

std::uint32_t vocab_size_of(TensorLookup& lookup, const TensorTable& tensors) {
  const GgufTensor* embedding = tensors.find("token_embd.weight");
  if (embedding == nullptr) {
    lookup.fail(load_error("token_embd.weight", "this tensor is missing"));
    return 0;
  }
  if (embedding->shape[1] > kVocabMax) {
    lookup.fail(load_error("token_embd.weight", "has " + std::to_string(embedding->shape[1]) + " rows; at most " +
                                                    std::to_string(kVocabMax) + " are supported"));
    return 0;
  }
  return static_cast<std::uint32_t>(embedding->shape[1]);
}

}  // namespace

DecoderBuilder::DecoderBuilder(const Metadata& metadata, const TensorTable& table, const std::string& architecture)
    : keys(metadata, architecture), tensors(table) {
  model.hyper = read_hyper_parameters(keys, architecture);
  if (!keys.status()) return;
  model.hyper.vocab_size = vocab_size_of(tensors, table);
  std::uint64_t hidden = hyper().hidden_size, vocab = hyper().vocab_size;
  model.token_embd = tensors.matrix("token_embd.weight", hidden, vocab);
  model.output_norm = tensors.vector("output_norm.weight", hidden);
  model.output = tensors.has("output.weight") ? tensors.matrix("output.weight", hidden, vocab) : model.token_embd;
  model.attention.resize(1);
  model.attention[0].rope = read_rope(keys, tensors, hyper().head_dim, hyper().context_length);
  model.layers.resize(hyper().num_hidden_layers);
}

std::string DecoderBuilder::name(std::uint32_t layer, const char* what) {
  return "blk." + std::to_string(layer) + "." + what;
}

void DecoderBuilder::add_norms(std::uint32_t i) {
  layer(i).attn_norm = tensors.vector(name(i, "attn_norm.weight"), hyper().hidden_size);
  layer(i).ffn_norm = tensors.vector(name(i, "ffn_norm.weight"), hyper().hidden_size);
}

void DecoderBuilder::add_attention(std::uint32_t i) {
  std::uint64_t hidden = hyper().hidden_size;
  layer(i).attn_q = tensors.matrix(name(i, "attn_q.weight"), hidden, q_rows());
  layer(i).attn_k = tensors.matrix(name(i, "attn_k.weight"), hidden, kv_rows());
  layer(i).attn_v = tensors.matrix(name(i, "attn_v.weight"), hidden, kv_rows());
  layer(i).attn_output = tensors.matrix(name(i, "attn_output.weight"), q_rows(), hidden);
}

void DecoderBuilder::add_fused_attention(std::uint32_t i) {
  std::uint64_t hidden = hyper().hidden_size;
  const GgufTensor* fused = tensors.matrix(name(i, "attn_qkv.weight"), hidden, q_rows() + 2 * kv_rows());
  layer(i).attn_q = slice(fused, 0, q_rows());
  layer(i).attn_k = slice(fused, q_rows(), kv_rows());
  layer(i).attn_v = slice(fused, q_rows() + kv_rows(), kv_rows());
  layer(i).attn_output = tensors.matrix(name(i, "attn_output.weight"), q_rows(), hidden);
}

void DecoderBuilder::add_biases(std::uint32_t i) {
  layer(i).attn_q_bias = tensors.vector_if_any(name(i, "attn_q.bias"), q_rows());
  layer(i).attn_k_bias = tensors.vector_if_any(name(i, "attn_k.bias"), kv_rows());
  layer(i).attn_v_bias = tensors.vector_if_any(name(i, "attn_v.bias"), kv_rows());
  layer(i).attn_output_bias = tensors.vector_if_any(name(i, "attn_output.bias"), hyper().hidden_size);
}

void DecoderBuilder::add_head_norms(std::uint32_t i) {
  layer(i).attn_q_norm = tensors.vector(name(i, "attn_q_norm.weight"), hyper().head_dim);
  layer(i).attn_k_norm = tensors.vector(name(i, "attn_k_norm.weight"), hyper().head_dim);
}

void DecoderBuilder::add_feed_forward(std::uint32_t i) {
  std::uint64_t hidden = hyper().hidden_size, intermediate = hyper().intermediate_size;
  layer(i).ffn_gate = tensors.matrix(name(i, "ffn_gate.weight"), hidden, intermediate);
  layer(i).ffn_up = tensors.matrix(name(i, "ffn_up.weight"), hidden, intermediate);
  layer(i).ffn_down = tensors.matrix(name(i, "ffn_down.weight"), intermediate, hidden);
}

void DecoderBuilder::add_fused_feed_forward(std::uint32_t i) {
  std::uint64_t hidden = hyper().hidden_size, intermediate = hyper().intermediate_size;
  const GgufTensor* fused = tensors.matrix(name(i, "ffn_up.weight"), hidden, 2 * intermediate);
  layer(i).ffn_gate = slice(fused, 0, intermediate);
  layer(i).ffn_up = slice(fused, intermediate, intermediate);
  layer(i).ffn_down = tensors.matrix(name(i, "ffn_down.weight"), intermediate, hidden);
}

void DecoderBuilder::add_post_norms(std::uint32_t i) {
  layer(i).post_attention_norm = tensors.vector(name(i, "post_attention_norm.weight"), hyper().hidden_size);
  layer(i).post_ffw_norm = tensors.vector(name(i, "post_ffw_norm.weight"), hyper().hidden_size);
}

std::uint32_t DecoderBuilder::window() { return keys.count("attention.sliding_window", 0, kContextMax, 0); }

const GgufTensor* DecoderBuilder::slice(const GgufTensor* fused, std::uint64_t first_row, std::uint64_t rows) {
  if (fused == nullptr) return nullptr;
  GgufTensor part = *fused;
  part.shape[1] = rows;
  part.byte_count = rows * fused->row_bytes();
  part.offset += first_row * fused->row_bytes();
  part.bytes = fused->bytes.subspan(first_row * fused->row_bytes(), part.byte_count);
  return &model.slices.emplace_back(part);
}

Result<ModelDescription> DecoderBuilder::finish() {
  if (!keys.status()) return keys.status().error();
  if (Status status = tensors.finish(); !status) return status.error();
  return std::move(model);
}

}  // namespace troupe
