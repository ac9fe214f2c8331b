#include "model/architectures/tensor_lookup.hpp"

#include <cmath>

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

std::string shape_text(const GgufTensor& tensor) {
  std::string text;
  for (std::uint32_t i = 0; i < tensor.dimensions; ++i) text += (i ? " x " : "") + std::to_string(tensor.shape[i]);
  return text;
}

}  // namespace

const GgufTensor* TensorLookup::matrix(const std::string& name, std::uint64_t columns, std::uint64_t rows) {
  return find(name, columns, rows, 2);
}

const GgufTensor* TensorLookup::vector(const std::string& name, std::uint64_t columns) {
  return find(name, columns, 1, 1);
}

const GgufTensor* TensorLookup::find(const std::string& name, std::uint64_t columns, std::uint64_t rows,
                                     std::uint32_t dimensions) {
  used_.insert(name);
  const GgufTensor* tensor = tensors_.find(name);
  Error error;
  if (!tensor) {
    error = load_error(name, "this tensor is missing");
  } else if (tensor->shape[0] != columns || tensor->rows() != rows || tensor->shape[1] != rows) {
    std::string wanted = std::to_string(columns) + (dimensions > 1 ? " x " + std::to_string(rows) : "");
    error = load_error(name, "has the shape " + shape_text(*tensor) + "; the metadata asks for " + wanted);
  } else {
    return tensor;
  }
  fail(std::move(error));
  return nullptr;
}

Status TensorLookup::finish() const {
  if (!status_) return status_;
  for (const auto& [name, tensor] : tensors_.all())
    if (used_.count(name) == 0) return load_error(name, "this architecture has no use for such a tensor");
  return {};
}

Result<std::vector<float>> read_vector(const std::string& name, const GgufTensor& tensor) {
  std::vector<float> values(tensor.shape[0]);
  dequantize_row(tensor.type, tensor.bytes.data(), values.size(), values.data());
  for (float value : values)
    if (!std::isfinite(value)) return load_error(name, "has a value that is not a finite number");
  return values;
}

}  // namespace troupe
