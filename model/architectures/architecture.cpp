#include "model/architectures/architecture.hpp"

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr Architecture kArchitectures[] = {
    {"llama", describe_llama},   {"qwen2", describe_qwen2}, {"qwen3", describe_qwen3},
    {"gemma3", describe_gemma3}, {"phi3", describe_phi3},
};

}  // namespace

std::span<const Architecture> architectures() { return kArchitectures; }

Result<ModelDescription> describe_model(const Metadata& metadata, const TensorTable& tensors) {
  auto name = metadata.text("general.architecture");
  if (!name) return name.error();
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (*name == architecture.name) return architecture.describe(metadata, tensors);
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return load_error("general.architecture",
                    "is \"" + printable(*name) + "\", which is not supported (known: " + known + ")");
}

}  // namespace troupe
