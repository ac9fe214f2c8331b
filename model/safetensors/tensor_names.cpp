#include "model/safetensors/tensor_names.hpp"

#include <charconv>

namespace troupe {
namespace {

using Use = TensorName::Use;

struct Module {
  std::string_view name;
  std::string_view gguf;
  bool is_norm = false;
};

constexpr Module kModules[] = {
    {"input_layernorm", "attn_norm", true},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.qkv_proj", "attn_qkv"},  // Phi-3: rows of q, of k, of v
    {"self_attn.q_norm", "attn_q_norm", true},
    {"self_attn.k_norm", "attn_k_norm", true},
    {"self_attn.o_proj", "attn_output"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.gate_up_proj", "ffn_up"},  // Phi-3: rows of gate, of up
    {"mlp.down_proj", "ffn_down"},
};
// Where there is a norm before the feed-forward alone, and where there are norms on both sides of it.
constexpr Module kPlainNorms[] = {{"post_attention_layernorm", "ffn_norm", true}};
constexpr Module kGemmaNorms[] = {{"post_attention_layernorm", "post_attention_norm", true},
                                  {"pre_feedforward_layernorm", "ffn_norm", true},
                                  {"post_feedforward_layernorm", "post_ffw_norm", true}};

template <std::size_t kCount>
const Module* find_module(const Module (&modules)[kCount], std::string_view name) {
  for (const Module& module : modules)
    if (name == module.name) return &module;
  return nullptr;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "7.self_attn.q_proj.weight"
TensorName in_layer(std::string_view text, const ModelConfig& config) {
  std::size_t dot = text.find('.'), last = text.rfind('.');
  if (dot == std::string_view::npos || last == dot) return {};
  std::uint32_t layer = 0;
  auto [end, failed] = std::from_chars(text.data(), text.data() + dot, layer);
  bool is_canonical = failed == std::errc() && end == text.data() + dot && (text[0] != '0' || dot == 1);
  if (!is_canonical || layer >= config.num_hidden_layers) return {};
  std::string_view name = text.substr(dot + 1, last - dot - 1), kind = text.substr(last);
  const Module* module = find_module(kModules, name);
  if (module == nullptr)
    module = config.norms_lack_one ? find_module(kGemmaNorms, name) : find_module(kPlainNorms, name);
  if (module == nullptr || (kind != ".weight" && kind != ".bias")) return {};
  return {Use::kWeight, "blk." + std::to_string(layer) + "." + std::string(module->gguf) + std::string(kind),
          module->is_norm};
}

}  // namespace

TensorName gguf_name(std::string_view name, const ModelConfig& config) {
  std::string_view text = name;
  if (text.ends_with(".rotary_emb.inv_freq")) return {Use::kIgnored, "", false};
  if (config.has_vision) {
    for (std::string_view part :
         {"vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."})
      if (text.starts_with(part)) return {Use::kIgnored, "", false};
  }
  // Of a model with several parts: "language_model.model.norm.weight", newer ones "model.language_model.norm.weight"
  // and "model.language_model.model.norm.weight".
  bool is_inside = take_prefix(text, "model.language_model.");
  if (is_inside)
    take_prefix(text, "model.");
  else
    take_prefix(text, "language_model.");
  if (text == "lm_head.weight" && !is_inside)
    return {config.is_tied ? Use::kIgnored : Use::kWeight, "output.weight", false};
  if (!is_inside && !take_prefix(text, "model.")) return {};
  if (text == "embed_tokens.weight") return {Use::kWeight, "token_embd.weight", false};
  if (text == "norm.weight") return {Use::kWeight, "output_norm.weight", true};
  if (take_prefix(text, "layers.")) return in_layer(text, config);
  return {};
}

}  // namespace troupe
