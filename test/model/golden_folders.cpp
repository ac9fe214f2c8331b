#include "test/model/golden_folders.hpp"

#include <stdexcept>

namespace troupe::test {
namespace {

// What all of them have. The numbers are those the golden files were made from.
std::string config_of(const std::string& model_class, const std::string& model_type, int layers, int kv_heads,
                      const std::string& rest) {
  return R"({"architectures":[")" + model_class + R"("],"model_type":")" + model_type +
         R"(","hidden_size":64,"intermediate_size":128,"num_attention_heads":4,"vocab_size":128,)" +
         R"("max_position_embeddings":256,"torch_dtype":"float32","use_cache":true,"num_hidden_layers":)" +
         std::to_string(layers) + R"(,"num_key_value_heads":)" + std::to_string(kv_heads) + "," + rest + "}";
}

std::string llama(const std::string& rest) {
  return config_of("LlamaForCausalLM", "llama", 3, 2, R"("hidden_act":"silu","rms_norm_eps":1e-05,)" + rest);
}

std::string qwen(const std::string& version, const std::string& rest) {
  return config_of("Qwen" + version + "ForCausalLM", "qwen" + version, 3, 2,
                   R"("hidden_act":"silu","rms_norm_eps":1e-06,"tie_word_embeddings":true,)"
                   R"("use_sliding_window":false,"sliding_window":4096,"max_window_layers":28,)" +
                       rest);
}

std::string phi(const std::string& rest) {
  return config_of("Phi3ForCausalLM", "phi3", 3, 4,
                   R"("hidden_act":"silu","rms_norm_eps":1e-5,"sliding_window":null,)" + rest);
}

std::string gemma(int layers, int head_dim, const std::string& rest) {
  std::string size = std::to_string(head_dim);
  return config_of("Gemma3ForCausalLM", "gemma3_text", layers, 1,
                   R"("hidden_activation":"gelu_pytorch_tanh","rms_norm_eps":1e-06,"final_logit_softcapping":null,)"
                   R"("attn_logit_softcapping":null,"head_dim":)" +
                       size + R"(,"query_pre_attn_scalar":)" + size + "," + rest);
}

}  // namespace

const std::vector<GoldenFolder>& golden_folders() {
  static const std::string kPattern =
      R"("layer_types":["sliding_attention","sliding_attention","sliding_attention","sliding_attention",)"
      R"("sliding_attention","full_attention","sliding_attention","sliding_attention"])";
  static const std::string kFull = R"("layer_types":["full_attention","full_attention","full_attention"])";
  static const std::vector<GoldenFolder> folders = {
      {"llama_plain", "llama", 16, llama(R"("rope_theta":10000.0,"rope_scaling":null)"),
       llama(R"("rope_parameters":{"rope_theta":10000.0,"rope_type":"default"},"tie_word_embeddings":false)")},
      {"llama_l3freqs", "llama", 16,
       llama(R"("tie_word_embeddings":true,"rope_theta":500000.0,"rope_scaling":{"factor":8.0,"low_freq_factor":1.0,)"
             R"("high_freq_factor":4.0,"original_max_position_embeddings":64,"rope_type":"llama3"})"),
       llama(R"("tie_word_embeddings":true,"rope_parameters":{"rope_theta":500000,"factor":8.0,"low_freq_factor":1,)"
             R"("high_freq_factor":4.0,"original_max_position_embeddings":64,"rope_type":"llama3"})")},
      {"llama_legacy_linear", "llama", 16,
       llama(R"("tie_word_embeddings":true,"rope_scaling":{"type":"linear","factor":2.0})"),
       llama(R"("tie_word_embeddings":true,"head_dim":16,"rope_parameters":{"rope_type":"linear","factor":2.0,)"
             R"("rope_theta":10000.0})")},
      {"qwen2", "qwen2", 16, qwen("2", R"("rope_theta":1000000.0)"),
       qwen("2", R"("rope_parameters":{"rope_theta":1000000.0,"rope_type":"default"},)" + kFull)},
      {"qwen3", "qwen3", 32, qwen("3", R"("rope_theta":1000000,"head_dim":32,"attention_bias":false)"),
       qwen("3", R"("rope_parameters":{"rope_theta":1000000.0,"rope_type":"default"},"head_dim":32)")},
      {"phi3_short", "phi3", 16,
       phi(R"("rope_theta":10000.0,"rope_scaling":null,"original_max_position_embeddings":256)"),
       phi(R"("rope_parameters":{"rope_theta":10000.0,"rope_type":"default","partial_rotary_factor":1.0})")},
      {"gemma3", "gemma3", 32,
       gemma(8, 32, R"("rope_theta":1000000.0,"rope_local_base_freq":10000.0,"sliding_window":8)"),
       gemma(8, 32,
             R"("rope_parameters":{"full_attention":{"rope_theta":1000000.0,"rope_type":"default"},)"
             R"("sliding_attention":{"rope_theta":10000.0,"rope_type":"default"}},"sliding_window":8,)" +
                 kPattern)},
      {"gemma3_noswa", "gemma3", 16, gemma(3, 16, R"("sliding_window":null,"rope_theta":1000000.0,)" + kFull),
       gemma(3, 16,
             R"("sliding_window":null,"rope_parameters":{"full_attention":{"rope_theta":1000000.0,)"
             R"("rope_type":"default"}},)" +
                 kFull)},
  };
  return folders;
}

const GoldenFolder& golden_folder(const std::string& name) {
  for (const GoldenFolder& folder : golden_folders())
    if (name == folder.name) return folder;
  throw std::runtime_error("no golden folder " + name);
}

}  // namespace troupe::test
