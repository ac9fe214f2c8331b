#pragma once
// The rotary embedding as config.json has it, in both spellings (rope_theta and rope_scaling of transformers 4,
// rope_parameters of 5), as the keys and divisors a GGUF file has.
#include <cstdint>
#include <string>
#include <vector>

#include "model/gguf/metadata_writer.hpp"
#include "model/safetensors/json_object.hpp"

namespace troupe {

// What the class of the model says about it.
struct RopeDefaults {
  double theta = 10000.0;
  std::uint64_t original_context = 0;  // 0: max_position_embeddings
  bool has_local_layers = false;       // some layers rotate by a base of their own (Gemma 3)
};

struct RopeConfig {
  std::uint64_t context = 0;  // positions that can be served
  // [rotated values of a head / 2], or empty: GGUF's rope_freqs, rope_factors_short, rope_factors_long
  std::vector<float> divisors, short_divisors, long_divisors;
};

// Writes <architecture>.rope.*. `context` is max_position_embeddings. Errors stay in the document of `config`.
RopeConfig read_rope_config(JsonObject& config, const std::string& architecture, const RopeDefaults& defaults,
                            std::uint64_t head_dim, std::uint64_t context, MetadataWriter& keys);

// Llama 3.1's divisors: pairs that turn seldom are slowed by `factor`, those that turn often are left alone.
struct Llama3Scaling {
  double factor = 8.0, low_freq_factor = 1.0, high_freq_factor = 4.0, original_context = 8192.0;
};
std::vector<float> llama3_divisors(std::uint64_t dims, double theta, const Llama3Scaling& scaling);  // [dims / 2]

}  // namespace troupe
