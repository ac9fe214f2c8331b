#include "test/model/gguf_writer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace troupe::test {

GgufWriter& GgufWriter::pair(std::string_view key, std::uint32_t type, const ByteWriter& value) {
  pairs_.emplace_back(key, ByteWriter().u32(type).append(value));
  return *this;
}
GgufWriter& GgufWriter::u32(std::string_view key, std::uint32_t value) { return pair(key, 4, ByteWriter().u32(value)); }
GgufWriter& GgufWriter::f32(std::string_view key, float value) { return pair(key, 6, ByteWriter().number(value)); }
GgufWriter& GgufWriter::boolean(std::string_view key, bool value) {
  return pair(key, 7, ByteWriter().number<std::uint8_t>(value ? 1 : 0));
}
GgufWriter& GgufWriter::text(std::string_view key, std::string_view value) {
  return pair(key, 8, ByteWriter().string(value));
}
GgufWriter& GgufWriter::strings(std::string_view key, const std::vector<std::string>& values) {
  ByteWriter array;
  array.u32(8).u64(values.size());
  for (const std::string& value : values) array.string(value);
  return pair(key, 9, array);
}
GgufWriter& GgufWriter::integers(std::string_view key, const std::vector<std::int32_t>& values) {
  ByteWriter array;
  array.u32(5).u64(values.size());
  for (std::int32_t value : values) array.number(value);
  return pair(key, 9, array);
}
GgufWriter& GgufWriter::without(std::string_view key) {
  pairs_.erase(std::remove_if(pairs_.begin(), pairs_.end(), [&](auto& pair) { return pair.first == key; }),
               pairs_.end());
  return *this;
}
GgufWriter& GgufWriter::tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                               Bytes data) {
  tensors_.push_back({std::string(name), shape, type, std::move(data)});
  return *this;
}
GgufWriter& GgufWriter::without_tensor(std::string_view name) {
  tensors_.erase(std::remove_if(tensors_.begin(), tensors_.end(), [&](auto& tensor) { return tensor.name == name; }),
                 tensors_.end());
  return *this;
}

ByteWriter GgufWriter::write() const {
  ByteWriter out;
  out.raw("GGUF").u32(version).u64(tensors_.size() + tensor_count_plus).u64(pairs_.size() + key_count_plus);
  for (const auto& [key, value] : pairs_) out.string(key).append(value);
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    out.string(tensor.name).u32(static_cast<std::uint32_t>(tensor.shape.size()));
    for (std::uint64_t dimension : tensor.shape) out.u64(dimension);
    out.u32(tensor.type).u64(offset);
    offset += (tensor.data.size() + alignment - 1) / alignment * alignment;
  }
  auto pad = [&] { out.bytes().resize((out.bytes().size() + alignment - 1) / alignment * alignment); };
  pad();
  for (const Tensor& tensor : tensors_) {
    out.bytes().insert(out.bytes().end(), tensor.data.begin(), tensor.data.end());
    pad();
  }
  return out;
}

TemporaryFile::TemporaryFile(const Bytes& bytes, const std::string& name) {
  std::string pattern = (std::filesystem::temp_directory_path() / "troupe-test-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("no temporary folder");
  folder_ = pattern;
  path_ = folder_ + "/" + name;
  std::ofstream(path_, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

TemporaryFile::~TemporaryFile() { std::filesystem::remove_all(folder_); }

}  // namespace troupe::test
