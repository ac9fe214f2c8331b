// Phi-3, Phi-3.5 and Phi-4-mini: q, k, v and gate, up in one tensor each; longrope; only some of a head's values may
// rotate. Where the file has a sliding window it is applied, as in Hugging Face's code.
#include "model/architectures/architecture.hpp"
#include "model/architectures/decoder_builder.hpp"

namespace troupe {

Result<ModelDescription> describe_phi3(const Metadata& metadata, const TensorTable& tensors) {
  DecoderBuilder builder(metadata, tensors, "phi3");
  if (!builder.keys.status()) return builder.finish();
  builder.model.attention[0].window = builder.window();
  for (std::uint32_t layer = 0; layer < builder.hyper().num_hidden_layers; ++layer) {
    builder.add_norms(layer);
    builder.add_fused_attention(layer);
    builder.add_fused_feed_forward(layer);
  }
  return builder.finish();
}

}  // namespace troupe
