#pragma once
// Finds an architecture's tensors by name, checks their shapes, and in the end says which tensors nobody asked for:
// a weight that is silently ignored would make a wrong model.
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "model/gguf/tensor_table.hpp"

namespace troupe {

class TensorLookup {
 public:
  explicit TensorLookup(const TensorTable& tensors) : tensors_(tensors) {}

  // A matrix [columns, rows] or a vector [columns]. nullptr, and an error that stays, when it is missing or of another
  // shape.
  const GgufTensor* matrix(const std::string& name, std::uint64_t columns, std::uint64_t rows);
  const GgufTensor* vector(const std::string& name, std::uint64_t columns);
  bool has(const std::string& name) const { return tensors_.find(name) != nullptr; }
  // The same, nullptr without an error when it is missing.
  const GgufTensor* vector_if_any(const std::string& name, std::uint64_t columns) {
    return has(name) ? vector(name, columns) : nullptr;
  }

  void fail(Error error) {  // the first error stays
    if (status_) status_ = std::move(error);
  }
  Status finish() const;  // the first error, or a tensor that was never asked for

 private:
  const GgufTensor* find(const std::string& name, std::uint64_t columns, std::uint64_t rows, std::uint32_t dimensions);

  const TensorTable& tensors_;
  std::set<std::string> used_;
  Status status_;
};

// The values of a vector, all finite.
Result<std::vector<float>> read_vector(const std::string& name, const GgufTensor& tensor);

}  // namespace troupe
