#include "model/safetensors/safetensors_folder.hpp"

#include "model/gguf/load_error.hpp"
#include "model/safetensors/folder_file.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kNormValuesMax = 1U << 20;

Status check_servable(const std::string& name, const StoredTensor& stored) {
  if (stored.type->type == nullptr)
    return load_error(
        name, std::string("is of type ") + stored.type->name + ", which is not supported (F32, F16 and BF16 are)");
  if (stored.shape.empty() || stored.shape.size() > 4 || stored.bytes.empty())
    return load_error(name, "must have 1 to 4 dimensions, none of them 0");
  return {};
}

// GGUF's order of dimensions is the other way round; the bytes are the same.
GgufTensor as_gguf(const StoredTensor& stored) {
  GgufTensor tensor;
  tensor.type = *stored.type->type;
  tensor.dimensions = static_cast<std::uint32_t>(stored.shape.size());
  std::copy(stored.shape.rbegin(), stored.shape.rend(), tensor.shape.begin());
  tensor.byte_count = stored.bytes.size();
  tensor.bytes = stored.bytes;
  return tensor;
}

}  // namespace

Result<SafetensorsFolder> SafetensorsFolder::open(const std::string& path) {
  if (!exists_in(path, "config.json"))
    return load_error("config.json",
                      "it is missing; a model's folder has config.json, tokenizer.json and .safetensors files");
  auto text = FolderFile::open(path, "config.json");
  if (!text) return text.error();
  auto config = read_model_config(text->text());
  if (!config) return config.error();
  auto weights = WeightFiles::open(path);
  if (!weights) return weights.error();
  SafetensorsFolder folder(std::move(*config), std::move(*weights));
  folder.header_.assign(text->bytes().begin(), text->bytes().end());
  for (std::size_t i = 0; i < folder.weights_.size(); ++i) {
    std::span<const std::uint8_t> header = folder.weights_.header(i);
    folder.header_.insert(folder.header_.end(), header.begin(), header.end());
  }
  if (Status status = folder.add_tensors(); !status) return status.error();
  auto metadata = folder.config_.keys.parse();
  if (!metadata) return metadata.error();
  folder.metadata_ = std::move(*metadata);
  return folder;
}

Status SafetensorsFolder::add_tensors() {
  for (const auto& [name, stored] : weights_.tensors()) {
    TensorName as = gguf_name(name, config_);
    if (as.use == TensorName::Use::kIgnored) continue;
    if (as.use == TensorName::Use::kUnknown)
      return load_error(name, "a model of type " + config_.architecture + " has no use for such a tensor");
    if (Status status = add(name, as, stored); !status) return status;
  }
  add_owned("rope_freqs.weight", config_.rope.divisors);
  add_owned("rope_factors_short.weight", config_.rope.short_divisors);
  add_owned("rope_factors_long.weight", config_.rope.long_divisors);
  return check_completeness();
}

Status SafetensorsFolder::add(const std::string& name, const TensorName& as, const StoredTensor& stored) {
  if (Status status = check_servable(name, stored); !status) return status;
  GgufTensor tensor = as_gguf(stored);
  bool is_ours = config_.norms_lack_one && as.is_norm;
  if (tensors_.find(as.gguf) != nullptr) return load_error(name, "is there under another name, too");
  if (!is_ours) {
    tensors_.add(as.gguf, tensor);
    return {};
  }
  if (tensor.dimensions != 1 || tensor.shape[0] > kNormValuesMax)
    return load_error(name, "must have 1 dimension of at most " + std::to_string(kNormValuesMax));
  std::vector<float> values(tensor.shape[0]);
  dequantize_row(tensor.type, tensor.bytes.data(), values.size(), values.data());
  for (float& value : values) value += 1.0F;
  add_owned(as.gguf, std::move(values));
  return {};
}

void SafetensorsFolder::add_owned(const std::string& name, std::vector<float> values) {
  if (values.empty()) return;
  const std::vector<float>& kept = owned_.emplace_back(std::move(values));
  GgufTensor tensor;
  tensor.type = DType::kF32;
  tensor.shape[0] = kept.size();
  tensor.byte_count = kept.size() * sizeof(float);
  tensor.bytes = std::as_bytes(std::span(kept));
  tensors_.add(name, tensor);
}

// What would silently make another model where it is missing.
Status SafetensorsFolder::check_completeness() const {
  if (!config_.is_tied && tensors_.find("output.weight") == nullptr)
    return load_error("lm_head.weight", "this tensor is missing, and config.json does not say tie_word_embeddings");
  for (std::uint32_t layer = 0; layer < config_.num_hidden_layers; ++layer) {
    for (const std::string& bias : config_.biases) {
      std::string name = "blk." + std::to_string(layer) + "." + bias + ".bias";
      if (tensors_.find(name) == nullptr) return load_error(name, "this tensor is missing");
    }
  }
  return {};
}

Status SafetensorsFolder::keep_tokens(std::uint64_t tokens) {
  const GgufTensor* embedding = tensors_.find("token_embd.weight");
  if (embedding != nullptr && embedding->shape[1] < tokens)
    return load_error("tokenizer.json", "has " + std::to_string(tokens) + " tokens; the model has embeddings for " +
                                            std::to_string(embedding->shape[1]));
  tensors_.keep_rows("token_embd.weight", tokens);
  tensors_.keep_rows("output.weight", tokens);
  return {};
}

}  // namespace troupe
