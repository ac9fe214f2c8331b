#pragma once
// A Hugging Face folder, config.json and safetensors, presented as what a GGUF file of the same model is: metadata with
// GGUF's keys and tensors with GGUF's names. Its tokenizer is not read here.
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "model/gguf/metadata_writer.hpp"
#include "model/gguf/tensor_table.hpp"
#include "model/safetensors/model_config.hpp"
#include "model/safetensors/tensor_names.hpp"
#include "model/safetensors/weight_files.hpp"

namespace troupe {

class SafetensorsFolder {
 public:
  // Errors are kModelFile and name the file, then the member or tensor.
  static Result<SafetensorsFolder> open(const std::string& path);

  const Metadata& metadata() const { return metadata_; }
  const TensorTable& tensors() const { return tensors_; }
  // config.json and the headers of the weight files: what the weights mean, besides their bytes.
  std::span<const std::uint8_t> header() const { return header_; }
  std::int64_t modified_s() const { return weights_.modified_s(); }
  void forget(std::span<const std::byte> read) const { weights_.forget(read); }
  const std::vector<std::uint64_t>& end_ids() const { return config_.end_ids; }  // of config.json

  // Models often have more rows of embeddings than tokens, for round numbers. These tokens do not exist, so the rows
  // that are left over go, from the head as well. kModelFile when there are more tokens than rows.
  Status keep_tokens(std::uint64_t tokens);

 private:
  SafetensorsFolder(ModelConfig config, WeightFiles weights)
      : config_(std::move(config)), weights_(std::move(weights)) {}

  Status add_tensors();
  Status add(const std::string& name, const TensorName& as, const StoredTensor& stored);
  void add_owned(const std::string& name, std::vector<float> values);
  Status check_completeness() const;

  ModelConfig config_;
  WeightFiles weights_;
  std::vector<std::uint8_t> header_;
  std::deque<std::vector<float>> owned_;  // norms to which 1 was added, divisors of RoPE
  Metadata metadata_;                     // points into the text of config_.keys, which moves along
  TensorTable tensors_;                   // points into weights_ and owned_
};

}  // namespace troupe
