#pragma once
// A model, from a GGUF file or a Hugging Face folder, written as a GGUF file with weights of another type, for this
// server and any other program that reads GGUF.
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "runtime/result.hpp"
#include "tensor/dtype.hpp"

namespace troupe {

struct QuantizedFile {
  std::uint64_t bytes_before = 0, bytes_after = 0;  // of tensor data
  std::map<std::string, std::uint32_t> tensors;     // how many of which type
};

// Matrices become `type`; vectors stay floats, and F16 and BF16 become F32 there. Embeddings and the output matrix keep
// more bits where `type` has fewer than 8: Q6_K. Rows that are no whole blocks of 256 get the nearest type with blocks
// of 32, as other programs do: Q4_K Q5_0, Q5_K Q5_1, Q6_K Q8_0. `progress` is told the part that is done, 0 to 1.
// Errors: kModelFile of the source, kConfiguration of the target or of a type that cannot be written.
Result<QuantizedFile> quantize_model(const std::string& from, const std::string& to, DType type, std::uint32_t threads,
                                     const std::function<void(double)>& progress = {});

}  // namespace troupe
