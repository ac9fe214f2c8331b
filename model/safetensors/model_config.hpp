#pragma once
// config.json of a Hugging Face folder as the keys a GGUF file of the same model has, so that describe_model reads
// both.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/metadata_writer.hpp"
#include "model/safetensors/rope_config.hpp"

namespace troupe {

inline constexpr std::size_t kConfigBytesMax = 16U << 20;

struct ModelConfig {
  std::string architecture;  // GGUF's name: "llama"
  MetadataWriter keys;       // general.architecture and <architecture>.*
  RopeConfig rope;
  std::uint32_t num_hidden_layers = 0;
  bool is_tied = false;                // the head is token_embd; an lm_head that is there all the same is ignored
  bool norms_lack_one = false;         // Gemma: the norms multiply by 1 + weight, GGUF's by the weight
  bool has_vision = false;             // tensors of other parts than the language model are ignored
  std::vector<std::string> biases;     // that every layer must have: "attn_q"
  std::vector<std::uint64_t> end_ids;  // eos_token_id, one or several; where generation_config.json has none
};

// Refuses what we would compute otherwise than the config says, by name: another model_type, activation, rope_type or
// quantization.
Result<ModelConfig> read_model_config(std::string_view config_json);

}  // namespace troupe
