#include "model/gguf/tensor_table.hpp"

#include <algorithm>
#include <vector>

#include "model/gguf/load_error.hpp"
#include "model/gguf/tensor_type.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kDescriptionBytesMin = 24;

Status parse_shape(Cursor& cursor, std::string_view name, GgufTensor& tensor) {
  if (!cursor.take(tensor.dimensions)) return load_error(name, "the file ends before its shape");
  if (tensor.dimensions < 1 || tensor.dimensions > tensor.shape.size())
    return load_error(name, "has " + std::to_string(tensor.dimensions) + " dimensions; 1 to 4 are possible");
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < tensor.dimensions; ++i) {
    if (!cursor.take(tensor.shape[i])) return load_error(name, "the file ends inside its shape");
    if (tensor.shape[i] == 0 || tensor.shape[i] > kDimensionMax)
      return load_error(name, "dimension " + std::to_string(i) + " is " + std::to_string(tensor.shape[i]));
    if (tensor.shape[i] > kElementsMax / elements) return load_error(name, "has more than 2^44 elements");
    elements *= tensor.shape[i];
  }
  return {};
}

Status parse_description(Cursor& cursor, std::string_view name, GgufTensor& tensor) {
  if (Status status = parse_shape(cursor, name, tensor); !status) return status;
  std::uint32_t type = 0;
  if (!cursor.take(type) || !cursor.take(tensor.offset))
    return load_error(name, "the file ends inside its description");
  auto known = tensor_type(type);
  if (!known) return load_error(name, known.error().message);
  tensor.type = *known;
  const BlockFormat& format = format_of(tensor.type);
  if (tensor.shape[0] % format.block_elements != 0)
    return load_error(name, "rows of " + std::to_string(tensor.shape[0]) + " elements are not whole " +
                                std::string(format.name) + " blocks of " + std::to_string(format.block_elements));
  // At most 2^44 elements of at most 8 bytes: no overflow.
  tensor.byte_count = tensor.shape[0] / format.block_elements * format.block_bytes * tensor.rows();
  return {};
}

}  // namespace

const GgufTensor* TensorTable::find(std::string_view name) const {
  auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

void TensorTable::keep_rows(std::string_view name, std::uint64_t rows) {
  auto found = tensors_.find(name);
  if (found == tensors_.end() || found->second.dimensions != 2 || found->second.shape[1] <= rows) return;
  GgufTensor& tensor = found->second;
  tensor.byte_count = rows * tensor.row_bytes();
  tensor.shape[1] = rows;
  tensor.bytes = tensor.bytes.first(tensor.byte_count);
}

Status TensorTable::bind(std::span<const std::uint8_t> data, std::uint64_t alignment) {
  std::vector<std::pair<std::uint64_t, std::string_view>> by_offset;
  by_offset.reserve(tensors_.size());
  for (auto& [name, tensor] : tensors_) {
    if (tensor.offset % alignment != 0)
      return load_error(name, "its data starts at " + std::to_string(tensor.offset) +
                                  ", which is no multiple of the alignment " + std::to_string(alignment));
    if (tensor.offset > data.size() || tensor.byte_count > data.size() - tensor.offset)
      return load_error(name, "needs " + std::to_string(tensor.byte_count) + " bytes at " +
                                  std::to_string(tensor.offset) + "; the file has " + std::to_string(data.size()) +
                                  " bytes of tensor data (cut off?)");
    tensor.bytes = std::as_bytes(data.subspan(tensor.offset, tensor.byte_count));
    by_offset.emplace_back(tensor.offset, name);
  }
  std::sort(by_offset.begin(), by_offset.end());
  for (std::size_t i = 1; i < by_offset.size(); ++i) {
    const GgufTensor& before = tensors_.find(by_offset[i - 1].second)->second;
    if (before.offset + before.byte_count > by_offset[i].first)
      return load_error(by_offset[i].second, "overlaps with " + printable(by_offset[i - 1].second));
  }
  return {};
}

Result<TensorTable> parse_tensor_table(Cursor& cursor, std::uint64_t count) {
  if (count > kTensorsMax || count > cursor.remaining() / kDescriptionBytesMin)
    return load_error("n_tensors",
                      "the header says " + std::to_string(count) + " tensors; at most " +
                          std::to_string(std::min(kTensorsMax, cursor.remaining() / kDescriptionBytesMin)) +
                          " can be in this file");
  TensorTable table;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string where = "tensor " + std::to_string(i);
    std::string_view name;
    if (!cursor.take_string(kTensorNameBytesMax, name)) return load_error(where, "the name is too long or cut off");
    if (name.empty()) return load_error(where, "the name is empty");
    GgufTensor tensor;
    if (Status status = parse_description(cursor, name, tensor); !status) return status.error();
    if (!table.add(name, tensor)) return load_error(name, "this tensor is there twice");
  }
  return table;
}

}  // namespace troupe
