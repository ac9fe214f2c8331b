#pragma once
// Hugging Face's names of a decoder's tensors, and GGUF's.
#include <cstdint>
#include <string>
#include <string_view>

#include "model/safetensors/model_config.hpp"

namespace troupe {

struct TensorName {
  enum class Use : std::uint8_t { kWeight, kIgnored, kUnknown };
  Use use = Use::kUnknown;
  std::string gguf;      // of a weight: "blk.7.attn_q.weight"
  bool is_norm = false;  // its weight multiplies what is normalised
};

// What is ignored: the head of a tied model, frequencies that old folders store, and the vision part of a model that
// has one.
TensorName gguf_name(std::string_view name, const ModelConfig& config);

}  // namespace troupe
