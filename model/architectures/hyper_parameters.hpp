#pragma once
// The numbers that shape a decoder, read from the metadata and checked: ranges, divisibility. Names are those of
// Hugging Face's config.json where it has one.
#include <cstdint>
#include <string>

#include "model/architectures/key_reader.hpp"

namespace troupe {

struct HyperParameters {
  std::string architecture;          // "llama"
  std::uint32_t context_length = 0;  // positions the model was trained for
  std::uint32_t hidden_size = 0;     // a multiple of 32
  std::uint32_t num_hidden_layers = 0;
  std::uint32_t intermediate_size = 0;    // a multiple of 32
  std::uint32_t num_attention_heads = 0;  // a multiple of num_key_value_heads
  std::uint32_t num_key_value_heads = 0;
  std::uint32_t head_dim = 0;            // a multiple of 16, at most 256
  std::uint32_t vocab_size = 0;          // rows of token_embd: set by the builder
  float rms_norm_eps = 0.0F;             // (0, 1)
  double attention_scale = 0.0;          // 0: 1 / sqrt(head_dim)
  double attn_logit_softcapping = 0.0;   // of attention's scores; 0: none
  double final_logit_softcapping = 0.0;  // of the logits; 0: none
};

inline constexpr std::uint64_t kContextMax = 1U << 24;
inline constexpr std::uint64_t kLayersMax = 512;

// Keys are "<architecture>.context_length" and so on. An error stays in the reader.
HyperParameters read_hyper_parameters(KeyReader& reader, const std::string& architecture);

}  // namespace troupe
