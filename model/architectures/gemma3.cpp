// Gemma 3, text only. Of every six layers (sliding_window_pattern) five see a window and rotate by a base of their own
// without scaling; the last one sees everything. Norms also stand behind attention and feed-forward; embeddings are
// scaled by sqrt(hidden_size), the tied head is not. The file's norms already contain the 1 that is added to them.
#include <cmath>

#include "model/architectures/architecture.hpp"
#include "model/architectures/decoder_builder.hpp"
#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kPattern = 6;
constexpr double kLocalBase = 10000.0;  // where the file does not say it
constexpr double kBaseMax = 1e12;
constexpr std::uint32_t kGlobal = 0, kLocal = 1;  // of ModelDescription::attention
constexpr std::uint32_t kLayersOf27B = 62;

// Which layers see everything: a period, or a flag a layer that says "window".
void read_pattern(DecoderBuilder& builder) {
  std::vector<LayerTensors>& layers = builder.model.layers;
  const char* name = "attention.sliding_window_pattern";
  const MetadataValue* value = builder.keys.metadata().find(builder.keys.key(name));
  if (value != nullptr && value->type == ValueType::kArray) {
    const auto& flags = std::get<MetadataArray>(value->value);
    bool fits = flags.element == ValueType::kBool && flags.count == layers.size();
    builder.keys.require(fits, name, "must have a flag for each of the " + std::to_string(layers.size()) + " layers");
    for (std::size_t i = 0; fits && i < layers.size(); ++i)
      layers[i].attention = flags.bytes[i] != 0 ? kLocal : kGlobal;
    return;
  }
  std::uint32_t pattern = builder.keys.count(name, 1, 512, kPattern);
  for (std::uint32_t i = 0; i < layers.size(); ++i) layers[i].attention = i % pattern < pattern - 1 ? kLocal : kGlobal;
}

}  // namespace

Result<ModelDescription> describe_gemma3(const Metadata& metadata, const TensorTable& tensors) {
  DecoderBuilder builder(metadata, tensors, "gemma3");
  if (!builder.keys.status()) return builder.finish();
  ModelDescription& model = builder.model;
  model.activation = Activation::kGelu;
  model.embedding_scale = std::sqrt(static_cast<float>(model.hyper.hidden_size));
  if (model.hyper.num_hidden_layers == kLayersOf27B && model.hyper.attention_scale == 0.0)
    model.hyper.attention_scale =
        1.0 / std::sqrt(static_cast<double>(model.hyper.hidden_size) / model.hyper.num_attention_heads);
  for (std::uint32_t layer = 0; layer < model.hyper.num_hidden_layers; ++layer) {
    builder.add_norms(layer);
    builder.add_attention(layer);
    builder.add_head_norms(layer);
    builder.add_post_norms(layer);
    builder.add_feed_forward(layer);
  }
  if (std::uint32_t window = builder.window(); window > 0) {
    AttentionDescription local = model.attention[kGlobal];
    local.window = window;
    local.rope.linear_factor = 1.0;
    // The second name is one converter's own.
    local.rope.theta = builder.keys.real("rope.freq_base_swa", 1.0, kBaseMax,
                                         builder.keys.real("rope.local.freq_base", 1.0, kBaseMax, kLocalBase));
    model.attention.push_back(std::move(local));
    read_pattern(builder);
  }
  return builder.finish();
}

}  // namespace troupe
