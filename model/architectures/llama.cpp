// llama.cpp's architecture "llama". The converter reorders each head's rows of attn_q and attn_k so that RoPE rotates
// adjacent pairs; Hugging Face row g * (head_dim / 2) + p of a head, g = 0 or 1, stands at row 2p + g. Without biases
// and experts: a file that has them is refused, by the tensors nobody asks for.
#include "model/architectures/architecture.hpp"
#include "model/architectures/tensor_lookup.hpp"
#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kVocabMax = 1U << 22;

Result<std::uint32_t> vocab_size_of(const TensorTable& tensors) {
  const GgufTensor* embedding = tensors.find("token_embd.weight");
  if (!embedding) return load_error("token_embd.weight", "this tensor is missing");
  if (embedding->shape[1] > kVocabMax)
    return load_error("token_embd.weight", "has " + std::to_string(embedding->shape[1]) + " rows; at most " +
                                               std::to_string(kVocabMax) + " are supported");
  return static_cast<std::uint32_t>(embedding->shape[1]);
}

LayerTensors find_layer(TensorLookup& lookup, const HyperParameters& p, std::uint32_t layer) {
  std::string prefix = "blk." + std::to_string(layer) + ".";
  std::uint64_t hidden = p.hidden_size, intermediate = p.intermediate_size;
  std::uint64_t q_rows = std::uint64_t{p.num_attention_heads} * p.head_dim;
  std::uint64_t kv_rows = std::uint64_t{p.num_key_value_heads} * p.head_dim;
  LayerTensors t;
  t.attn_norm = lookup.vector(prefix + "attn_norm.weight", hidden);
  t.attn_q = lookup.matrix(prefix + "attn_q.weight", hidden, q_rows);
  t.attn_k = lookup.matrix(prefix + "attn_k.weight", hidden, kv_rows);
  t.attn_v = lookup.matrix(prefix + "attn_v.weight", hidden, kv_rows);
  t.attn_output = lookup.matrix(prefix + "attn_output.weight", q_rows, hidden);
  t.ffn_norm = lookup.vector(prefix + "ffn_norm.weight", hidden);
  t.ffn_gate = lookup.matrix(prefix + "ffn_gate.weight", hidden, intermediate);
  t.ffn_up = lookup.matrix(prefix + "ffn_up.weight", hidden, intermediate);
  t.ffn_down = lookup.matrix(prefix + "ffn_down.weight", intermediate, hidden);
  return t;
}

// Divisors of the rotary frequencies (Llama 3.1 and later); empty when the file has none.
Result<std::vector<float>> read_divisors(TensorLookup& lookup, std::uint32_t head_dim) {
  const std::string name = "rope_freqs.weight";
  const GgufTensor* tensor = lookup.has(name) ? lookup.vector(name, head_dim / 2) : nullptr;
  if (!tensor) return std::vector<float>();
  auto divisors = read_vector(name, *tensor);
  if (!divisors) return divisors;
  for (float divisor : *divisors)
    if (!(divisor >= 1e-6F && divisor <= 1e6F)) return load_error(name, "has a divisor out of range");
  return divisors;
}

}  // namespace

Result<ModelDescription> describe_llama(const Metadata& metadata, const TensorTable& tensors) {
  auto hyper = read_hyper_parameters(metadata, "llama");
  if (!hyper) return hyper.error();
  auto vocab_size = vocab_size_of(tensors);
  if (!vocab_size) return vocab_size.error();

  ModelDescription model;
  model.hyper = *hyper;
  model.hyper.vocab_size = *vocab_size;
  model.rope_pairs = RopePairs::kAdjacent;
  TensorLookup lookup(tensors);
  model.token_embd = lookup.matrix("token_embd.weight", hyper->hidden_size, *vocab_size);
  model.output_norm = lookup.vector("output_norm.weight", hyper->hidden_size);
  model.output =
      lookup.has("output.weight") ? lookup.matrix("output.weight", hyper->hidden_size, *vocab_size) : model.token_embd;
  for (std::uint32_t layer = 0; layer < hyper->num_hidden_layers; ++layer)
    model.layers.push_back(find_layer(lookup, *hyper, layer));
  auto divisors = read_divisors(lookup, hyper->head_dim);
  if (Status status = lookup.finish(); !status) return status.error();
  if (!divisors) return divisors.error();
  model.rope_divisors = std::move(*divisors);
  return model;
}

}  // namespace troupe
