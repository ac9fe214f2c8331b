#include "model/safetensors/model_config.hpp"

#include <algorithm>
#include <cmath>

#include "gpu/host/kv_layout.hpp"
#include "model/architectures/hyper_parameters.hpp"
#include "model/gguf/load_error.hpp"
#include "model/safetensors/json_object.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kCountMax = 1ULL << 31;  // describe_model knows the ranges
constexpr double kCapMax = 1e6;
constexpr std::size_t kEndIdsMax = 64;
constexpr std::size_t kClassesMax = 16;

// A class of Hugging Face's, and what it says where config.json does not. 0: config.json must say it.
struct Family {
  const char* model_type;
  const char* model_class;   // the first of "architectures"
  const char* architecture;  // GGUF's name
  const char* activation = "silu";
  std::uint32_t heads = 0, kv_heads = 0;  // kv_heads 0: as many as heads
  std::uint32_t head_dim = 0;             // 0: hidden_size / heads
  std::uint32_t context = 0;
  double rms_norm_eps = 1e-6;
  bool is_tied = false;
  std::uint32_t window = 0;  // sliding_window
  RopeDefaults rope = {};
};

constexpr RopeDefaults kPhi3Rope = {10000.0, 4096, false};
constexpr RopeDefaults kGemma3Rope = {1e6, 0, true};

constexpr Family kFamilies[] = {
    {"llama", "LlamaForCausalLM", "llama"},
    {"mistral", "MistralForCausalLM", "llama", "silu", 0, 8, 0, 0, 1e-6, false, 4096},
    {"qwen2", "Qwen2ForCausalLM", "qwen2"},
    {"qwen3", "Qwen3ForCausalLM", "qwen3", "silu", 0, 0, 128},
    {"phi3", "Phi3ForCausalLM", "phi3", "silu", 0, 0, 0, 0, 1e-5, false, 0, kPhi3Rope},
    {"gemma3_text", "Gemma3ForCausalLM", "gemma3", "gelu_pytorch_tanh", 8, 4, 256, 131072, 1e-6, true, 4096,
     kGemma3Rope},
    {"gemma3", "Gemma3ForConditionalGeneration", "gemma3", "gelu_pytorch_tanh", 8, 4, 256, 131072, 1e-6, true, 4096,
     kGemma3Rope},
};

const Family* find_family(JsonObject& config) {
  std::vector<std::string> classes = config.texts("architectures", kClassesMax);
  std::string model_class = classes.empty() ? "" : classes.front();
  std::string type = config.text("model_type", "");
  // A model with another head than the next token's, or with none.
  if (!model_class.empty() && !model_class.ends_with("ForCausalLM") &&
      !model_class.ends_with("ForConditionalGeneration")) {
    config.refuse("architectures", "has \"" + printable(model_class) + "\"; only models that generate are supported");
    return nullptr;
  }
  std::string known;
  for (const Family& family : kFamilies) {
    if (type == family.model_type || (type.empty() && model_class == family.model_class)) return &family;
    known += (known.empty() ? "" : ", ") + std::string(family.model_type);
  }
  config.refuse("model_type", "is \"" + printable(type.empty() ? model_class : type) +
                                  "\", which is not supported (known: " + known + ")");
  return nullptr;
}

class ConfigReader {
 public:
  // `root` is the file's; `text` the language model's part of it, the same one where there is no other part.
  ConfigReader(const Family& family, JsonObject root, JsonObject text, ModelConfig& made)
      : family_(family),
        root_(std::move(root)),
        text_(std::move(text)),
        made_(made),
        prefix_(std::string(family.architecture) + ".") {}

  void read() {
    made_.architecture = family_.architecture;
    made_.keys.text("general.architecture", family_.architecture);
    refuse_what_we_do_not_do();
    read_shape();
    std::uint64_t context = text_.count("max_position_embeddings", 1, kCountMax, or_required(family_.context));
    made_.rope = read_rope_config(text_, family_.architecture, family_.rope, head_dim_, context, made_.keys);
    u32("context_length", made_.rope.context);
    if (made_.architecture == "llama") made_.keys.flag(key("rope.half_split"), true);
    read_window();
    if (made_.architecture == "gemma3") read_gemma();
    read_biases();
    made_.is_tied = text_.flag("tie_word_embeddings", root_.flag("tie_word_embeddings", family_.is_tied));
    made_.norms_lack_one = made_.architecture == "gemma3";
    made_.end_ids = text_.count_or_counts("eos_token_id", kEndIdsMax, kCountMax);
    if (root_.has("eos_token_id")) made_.end_ids = root_.count_or_counts("eos_token_id", kEndIdsMax, kCountMax);
  }

 private:
  std::string key(const char* name) const { return prefix_ + name; }
  void u32(const char* name, std::uint64_t value) { made_.keys.u32(key(name), static_cast<std::uint32_t>(value)); }
  static std::optional<std::uint64_t> or_required(std::uint64_t value) {
    return value == 0 ? std::nullopt : std::optional(value);
  }

  void refuse_what_we_do_not_do() {
    if (auto quantization = root_.object("quantization_config"))
      root_.refuse("quantization_config", "says that the weights are quantised (" +
                                              printable(quantization->text("quant_method", "by an unknown method")) +
                                              "); only F32, F16 and BF16 are supported");
    const char* name = text_.has("hidden_activation") ? "hidden_activation" : "hidden_act";
    std::string activation = text_.text(name, family_.activation);
    if (activation != family_.activation)
      text_.refuse(name, "is \"" + printable(activation) + "\"; only \"" + family_.activation + "\" is supported");
    if (text_.flag("use_bidirectional_attention", false))
      text_.refuse("use_bidirectional_attention", "is true, which is not supported");
    if (text_.flag("mlp_bias", false)) text_.refuse("mlp_bias", "is true, which is not supported");
  }

  void read_shape() {
    std::uint64_t hidden = text_.count("hidden_size", 1, kCountMax);
    std::uint64_t heads = text_.count("num_attention_heads", 1, kCountMax, or_required(family_.heads));
    std::uint64_t kv_heads =
        text_.count("num_key_value_heads", 1, kCountMax, family_.kv_heads ? family_.kv_heads : heads);
    std::uint64_t share = family_.head_dim != 0 ? family_.head_dim : std::max<std::uint64_t>(1, hidden / heads);
    head_dim_ = text_.count("head_dim", 1, kCountMax, share);
    if (head_dim_ > kHeadDimMax) {
      text_.refuse("head_dim",
                   "is " + std::to_string(head_dim_) + "; at most " + std::to_string(kHeadDimMax) + " are supported");
      head_dim_ = kHeadDimMax;
    }
    layers_ = text_.count("num_hidden_layers", 1, kLayersMax);
    made_.num_hidden_layers = static_cast<std::uint32_t>(layers_);
    u32("embedding_length", hidden);
    u32("block_count", layers_);
    u32("feed_forward_length", text_.count("intermediate_size", 1, kCountMax));
    u32("attention.head_count", heads);
    u32("attention.head_count_kv", kv_heads);
    u32("attention.key_length", head_dim_);
    u32("attention.value_length", head_dim_);
    double eps = text_.real("rms_norm_eps", 0.0, 1.0, family_.rms_norm_eps);
    made_.keys.f32(key("attention.layer_norm_rms_epsilon"), static_cast<float>(eps));
    hidden_per_head_ = static_cast<double>(hidden) / static_cast<double>(heads);
  }

  void read_window() {
    if (std::string_view(family_.model_type) == "llama") return;  // this class has none, whatever its config says
    if (made_.architecture == "qwen2" || made_.architecture == "qwen3") {
      if (text_.flag("use_sliding_window", false) && text_.count("max_window_layers", 0, kCountMax, 28) < layers_)
        text_.refuse("use_sliding_window", "is true for some layers, which is not supported");
      return;
    }
    // Null is a value of its own here: none.
    bool is_said = false;
    for (std::string_view name : text_.names()) is_said |= name == "sliding_window";
    window_ = text_.count("sliding_window", 0, kCountMax, is_said ? 0 : family_.window);
    u32("attention.sliding_window", window_);
  }

  void read_gemma() {
    std::vector<bool> is_local(layers_);
    std::vector<std::string> types = text_.texts("layer_types", kLayersMax);
    const char* name = text_.has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
    std::uint64_t pattern = text_.count(name, 1, kLayersMax, 6);
    if (!types.empty() && types.size() != layers_)
      text_.refuse("layer_types",
                   "has " + std::to_string(types.size()) + " entries for " + std::to_string(layers_) + " layers");
    for (std::size_t i = 0; i < layers_; ++i) {
      is_local[i] = (i + 1) % pattern != 0;
      if (types.size() != layers_) continue;
      is_local[i] = types[i] == "sliding_attention";
      if (!is_local[i] && types[i] != "full_attention")
        text_.refuse("layer_types", "has \"" + printable(types[i]) + "\", which is not supported");
    }
    bool has_local = std::find(is_local.begin(), is_local.end(), true) != is_local.end();
    if (has_local && window_ == 0) text_.refuse("sliding_window", "is missing for the layers that have one");
    made_.keys.flags(key("attention.sliding_window_pattern"), is_local);
    // Where it is what describe_gemma3 takes anyway there is no key: then both kinds of files give the same bits.
    constexpr std::uint64_t kLayersOf27B = 62;
    double scalar = text_.real("query_pre_attn_scalar", 1e-3, kCapMax, 256.0);
    double usual = layers_ == kLayersOf27B ? hidden_per_head_ : static_cast<double>(head_dim_);
    if (scalar != usual) made_.keys.f32(key("attention.scale"), static_cast<float>(1.0 / std::sqrt(scalar)));
    // Hugging Face's class has the first as a setting and does not apply it.
    if (text_.has("attn_logit_softcapping"))
      text_.refuse("attn_logit_softcapping", "is not null, which is not supported");
    const char* cap = "final_logit_softcapping";
    if (text_.has(cap)) made_.keys.f32(key(cap), static_cast<float>(text_.real(cap, 0.0, kCapMax)));
  }

  void read_biases() {
    bool has_biases = text_.flag("attention_bias", false);
    if (made_.architecture == "qwen2") made_.biases = {"attn_q", "attn_k", "attn_v"};
    if (!has_biases || made_.architecture == "qwen2") return;
    if (std::string_view(family_.model_type) == "llama")
      made_.biases = {"attn_q", "attn_k", "attn_v", "attn_output"};
    else if (made_.architecture != "llama" && made_.architecture != "phi3")  // those classes have no such switch
      text_.refuse("attention_bias", "is true, which is not supported");
  }

  const Family& family_;
  JsonObject root_, text_;
  ModelConfig& made_;
  const std::string prefix_;
  std::uint64_t layers_ = 0, head_dim_ = 0, window_ = 0;
  double hidden_per_head_ = 0.0;
};

}  // namespace

Result<ModelConfig> read_model_config(std::string_view config_json) {
  auto document = JsonDocument::parse(config_json, "config.json", kConfigBytesMax);
  if (!document) return document.error();
  JsonObject root = document->root();
  ModelConfig config;
  if (const Family* family = find_family(root)) {
    auto text = root.object("text_config");
    config.has_vision = text.has_value();
    ConfigReader(*family, root, text.value_or(root), config).read();
  }
  if (!document->status()) return document->status().error();
  return config;
}

}  // namespace troupe
