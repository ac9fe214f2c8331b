#include "model/host_engine/numerics_class.hpp"

#include <bit>

#include "gpu/host/kernels.hpp"
#include "runtime/digest.hpp"

namespace troupe {
namespace {

// What this engine does with a model; a change of any of it is a new class.
std::string text_of(WeightsAs weights, KvType kv) {
  std::string text = kv == KvType::kInt8 ? "kv=int8/token+hadamard;" : "kv=f16;";
  if (weights == WeightsAs::kInt8) text += "floats=q8_0;";
  if (weights == WeightsAs::kInt4) text += "floats=q4_1, head q8_0;";
  return text + "activations=int8/32, f32 for floats;sampler=1;";
}

std::string text_of(const ModelDescription& model, std::uint32_t context) {
  // Floating point as bits: decimal text would round.
  auto bits = [](double value) { return std::to_string(std::bit_cast<std::uint64_t>(value)) + ";"; };
  const HyperParameters& p = model.hyper;
  std::string text = p.architecture + ";";
  for (std::uint32_t value : {p.hidden_size, p.num_hidden_layers, p.intermediate_size, p.num_attention_heads,
                              p.num_key_value_heads, p.head_dim, p.vocab_size})
    text += std::to_string(value) + ";";
  text += bits(p.rms_norm_eps) + bits(p.attention_scale) + bits(p.attn_logit_softcapping) +
          bits(p.final_logit_softcapping) + bits(model.embedding_scale);
  for (const AttentionDescription& kind : model.attention) {
    const RopeDescription& rope = kind.rope;
    text += std::to_string(kind.window) + ";" + std::to_string(rope.dims) + ";" + bits(rope.theta) +
            bits(rope.linear_factor) + bits(rope.magnitude);
    for (double divisor : rope.divisors_for(context)) text += bits(divisor);
  }
  for (const LayerTensors& layer : model.layers) text += std::to_string(layer.attention);
  return text + ";";
}

}  // namespace

std::string numerics_class(std::span<const std::uint8_t> header, std::uint64_t content_hash,
                           const ModelDescription& model, std::uint32_t context, WeightsAs weights, KvType kv) {
  constexpr std::size_t kShownBytes = 8;
  Digest digest = Sha256()
                      .add(std::string_view(kNumericsVersion))
                      .add(std::string_view(";"))
                      .add(header)
                      .add(std::string_view(std::to_string(content_hash) + ";"))
                      .add(std::string_view(text_of(weights, kv)))
                      .add(std::string_view(text_of(model, context)))
                      .finish();
  return std::string(kNumericsVersion) + "-" + to_hex(std::span(digest).first(kShownBytes));
}

}  // namespace troupe
