#pragma once
// What a model is loaded from, whatever its format: a GGUF file, or a Hugging Face folder of safetensors. The rest of
// the program sees GGUF's keys and names.
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "model/gguf/metadata.hpp"
#include "model/gguf/tensor_table.hpp"
#include "model/host_engine/row_order.hpp"
#include "text/tokenizer/tokenizer_spec.hpp"

namespace troupe {

// What is written when a source becomes a GGUF file.
struct GgufForm {
  Metadata metadata;                             // tokenizer included; lives as long as the source
  std::map<const GgufTensor*, RowOrder> orders;  // of tensors whose rows, or values, stand in another order there
};

class ModelSource {
 public:
  virtual ~ModelSource() = default;

  virtual std::string name() const = 0;  // of the file without ".gguf", or of the folder
  virtual const Metadata& metadata() const = 0;
  virtual const TensorTable& tensors() const = 0;
  virtual std::span<const std::uint8_t> header()
      const = 0;                                // everything but the weights that makes the model what it is
  virtual std::int64_t modified_s() const = 0;  // Unix time
  virtual void forget(std::span<const std::byte> read) const = 0;  // see MappedFile

  virtual Result<GgufForm> gguf_form() = 0;
  virtual Result<TokenizerSpec> take_tokenizer(std::uint32_t vocab_size) = 0;  // once, and last
};

// Errors are "<field>: <reason>", see load_error.hpp.
Result<std::unique_ptr<ModelSource>> open_model(const std::string& path);

}  // namespace troupe
