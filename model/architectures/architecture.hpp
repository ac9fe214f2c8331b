#pragma once
// The architectures we know: a table of names and builders. A new one is one file here and one row in the table.
#include <span>
#include <string>

#include "model/architectures/model_description.hpp"
#include "model/gguf/gguf_file.hpp"

namespace troupe {

struct Architecture {
  const char* name;  // general.architecture
  Result<ModelDescription> (*describe)(const Metadata& metadata, const TensorTable& tensors);
};
std::span<const Architecture> architectures();

// By general.architecture. The description points into `tensors`.
Result<ModelDescription> describe_model(const Metadata& metadata, const TensorTable& tensors);

// Builders.
Result<ModelDescription> describe_llama(const Metadata& metadata, const TensorTable& tensors);
Result<ModelDescription> describe_qwen2(const Metadata& metadata, const TensorTable& tensors);
Result<ModelDescription> describe_qwen3(const Metadata& metadata, const TensorTable& tensors);
Result<ModelDescription> describe_gemma3(const Metadata& metadata, const TensorTable& tensors);
Result<ModelDescription> describe_phi3(const Metadata& metadata, const TensorTable& tensors);

}  // namespace troupe
