// llama.cpp's architecture "llama": Llama 1 to 3, Mistral 7B, SmolLM, SmolLM2, TinyLlama. The converter reorders each
// head's rows of attn_q and attn_k so that RoPE rotates adjacent pairs; Hugging Face row g * (head_dim / 2) + p of a
// head, g = 0 or 1, stands at row 2p + g. A folder of safetensors has Hugging Face's order, and its loader says so with
// a key of ours, rope.half_split. Without experts: a file that has them is refused, by name.
#include "model/architectures/architecture.hpp"
#include "model/architectures/decoder_builder.hpp"

namespace troupe {

Result<ModelDescription> describe_llama(const Metadata& metadata, const TensorTable& tensors) {
  DecoderBuilder builder(metadata, tensors, "llama");
  if (!builder.keys.status()) return builder.finish();
  bool is_half_split = builder.keys.flag("rope.half_split", false);
  builder.model.rope_pairs = is_half_split ? RopePairs::kHalfSplit : RopePairs::kAdjacent;
  builder.model.attention[0].window = builder.window();
  builder.keys.require(builder.model.attention[0].rope.dims == builder.hyper().head_dim, "rope.dimension_count",
                       "must be the head size, " + std::to_string(builder.hyper().head_dim));
  for (std::uint32_t layer = 0; layer < builder.hyper().num_hidden_layers; ++layer) {
    builder.add_norms(layer);
    builder.add_attention(layer);
    builder.add_biases(layer);
    builder.add_feed_forward(layer);
  }
  return builder.finish();
}

}  // namespace troupe
