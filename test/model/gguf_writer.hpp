#pragma once
// Writes GGUF files for tests, correct ones and, by its raw functions, any others.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::test {

using Bytes = std::vector<std::uint8_t>;

class ByteWriter {
 public:
  template <class T>
  ByteWriter& number(T value) {
    bytes_.resize(bytes_.size() + sizeof(T));
    std::memcpy(bytes_.data() + bytes_.size() - sizeof(T), &value, sizeof(T));
    return *this;
  }
  ByteWriter& u32(std::uint32_t value) { return number(value); }
  ByteWriter& u64(std::uint64_t value) { return number(value); }
  ByteWriter& raw(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  ByteWriter& string(std::string_view text) { return u64(text.size()).raw(text); }
  ByteWriter& append(const ByteWriter& other) {
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    return *this;
  }

  const Bytes& bytes() const { return bytes_; }
  Bytes& bytes() { return bytes_; }

 private:
  Bytes bytes_;
};

class GgufWriter {
 public:
  GgufWriter& u32(std::string_view key, std::uint32_t value);
  GgufWriter& f32(std::string_view key, float value);
  GgufWriter& boolean(std::string_view key, bool value);
  GgufWriter& text(std::string_view key, std::string_view value);
  GgufWriter& strings(std::string_view key, const std::vector<std::string>& values);
  GgufWriter& integers(std::string_view key, const std::vector<std::int32_t>& values);
  GgufWriter& pair(std::string_view key, std::uint32_t type, const ByteWriter& value);  // any bytes as the value
  GgufWriter& without(std::string_view key);                                            // forgets a pair

  // Its data follows the one before at the next multiple of the alignment.
  GgufWriter& tensor(std::string_view name, const std::vector<std::uint64_t>& shape, std::uint32_t type, Bytes data);
  GgufWriter& without_tensor(std::string_view name);

  // Numbers of the header that are not what they should be.
  std::uint32_t version = 3;
  std::uint64_t tensor_count_plus = 0;
  std::uint64_t key_count_plus = 0;
  std::uint64_t alignment = 32;  // of the data; says nothing in the metadata

  ByteWriter write() const;
  Bytes bytes() const { return write().bytes(); }

 private:
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::uint32_t type;
    Bytes data;
  };
  std::vector<std::pair<std::string, ByteWriter>> pairs_;  // type and value
  std::vector<Tensor> tensors_;
};

// Writes bytes to a new file and removes it in the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const Bytes& bytes, const std::string& name = "model.gguf");
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string folder_;
  std::string path_;
};

}  // namespace troupe::test
