#pragma once
// A GGUF file (version 3) being written: the metadata of another file with some keys set anew, then tensors in the
// order they were announced. It stands beside its final name until it is whole.
#include <array>
#include <cstdint>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/gguf/metadata.hpp"
#include "runtime/result.hpp"
#include "tensor/dtype.hpp"

namespace troupe {

struct TensorToWrite {
  std::string name;
  DType type{};
  std::array<std::uint64_t, 4> shape = {1, 1, 1, 1};  // fastest-varying first
  std::uint32_t dimensions = 1;
  std::uint64_t byte_count = 0;
};

class GgufOutput {
 public:
  // `numbers` are u32 values that replace the source's or are added. Errors are kConfiguration and name the path.
  static Result<GgufOutput> create(const std::string& path, const Metadata& source,
                                   const std::map<std::string, std::uint32_t>& numbers,
                                   const std::vector<TensorToWrite>& tensors);
  GgufOutput(GgufOutput&&) = default;
  ~GgufOutput();  // what is not finished is removed

  // The next tensor's bytes, byte_count of them.
  Status append(std::span<const std::byte> data);
  // After the last one: the file gets its name.
  Status finish();

 private:
  GgufOutput() = default;
  Status failed() const;

  std::string path_, part_;
  std::ofstream file_;
};

}  // namespace troupe
