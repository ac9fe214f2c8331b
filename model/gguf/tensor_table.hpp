#pragma once
// The tensor part of a GGUF file: names, shapes, block formats and where the data lies, all checked against the file.
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "model/gguf/cursor.hpp"
#include "runtime/result.hpp"
#include "tensor/dtype.hpp"

namespace troupe {

inline constexpr std::uint64_t kTensorsMax = 65536;
inline constexpr std::uint64_t kTensorNameBytesMax = 63;
inline constexpr std::uint64_t kDimensionMax = 1ULL << 40;
inline constexpr std::uint64_t kElementsMax = 1ULL << 44;

struct GgufTensor {
  DType type{};
  // Fastest-varying first: [0] is the length of a row, the rest count rows. 1 beyond the tensor's dimensions.
  std::array<std::uint64_t, 4> shape = {1, 1, 1, 1};
  std::uint32_t dimensions = 1;
  std::uint64_t offset = 0;  // from the start of the data section
  std::uint64_t byte_count = 0;
  std::span<const std::byte> bytes;  // byte_count long, in the file

  std::uint64_t rows() const { return shape[1] * shape[2] * shape[3]; }
  std::uint64_t row_bytes() const { return byte_count / rows(); }
  const std::byte* row(std::uint64_t i) const { return bytes.data() + i * row_bytes(); }
};

class TensorTable {
 public:
  bool add(std::string_view name, const GgufTensor& tensor) { return tensors_.emplace(name, tensor).second; }
  const GgufTensor* find(std::string_view name) const;
  const std::map<std::string, GgufTensor, std::less<>>& all() const { return tensors_; }

  // A matrix's first rows only; nothing happens when it has no more of them, or is not there.
  void keep_rows(std::string_view name, std::uint64_t rows);

  // Points every tensor at its bytes. Offsets must be aligned, inside of `data` and free of overlaps.
  Status bind(std::span<const std::uint8_t> data, std::uint64_t alignment);

 private:
  std::map<std::string, GgufTensor, std::less<>> tensors_;
};

// Reads `count` descriptions and leaves the cursor behind them; the tensors have no bytes yet.
Result<TensorTable> parse_tensor_table(Cursor& cursor, std::uint64_t count);

}  // namespace troupe
