// Qwen2 and Qwen2.5: biases of q, k and v. Qwen3: none, but each head's q and k are normalised before they rotate, and
// heads may be wider than hidden_size / heads.
#include "model/architectures/architecture.hpp"
#include "model/architectures/decoder_builder.hpp"

namespace troupe {

Result<ModelDescription> describe_qwen2(const Metadata& metadata, const TensorTable& tensors) {
  DecoderBuilder builder(metadata, tensors, "qwen2");
  if (!builder.keys.status()) return builder.finish();
  for (std::uint32_t layer = 0; layer < builder.hyper().num_hidden_layers; ++layer) {
    builder.add_norms(layer);
    builder.add_attention(layer);
    builder.add_biases(layer);
    builder.add_feed_forward(layer);
  }
  return builder.finish();
}

Result<ModelDescription> describe_qwen3(const Metadata& metadata, const TensorTable& tensors) {
  DecoderBuilder builder(metadata, tensors, "qwen3");
  if (!builder.keys.status()) return builder.finish();
  for (std::uint32_t layer = 0; layer < builder.hyper().num_hidden_layers; ++layer) {
    builder.add_norms(layer);
    builder.add_attention(layer);
    builder.add_head_norms(layer);
    builder.add_feed_forward(layer);
  }
  return builder.finish();
}

}  // namespace troupe
