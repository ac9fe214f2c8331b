#pragma once
// Writes .safetensors files and Hugging Face folders for tests, correct ones and any others.
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/tensor_table.hpp"
#include "test/model/gguf_writer.hpp"

namespace troupe::test {

struct StoredForTest {
  std::string name;
  std::string dtype;                 // "F32"
  std::vector<std::uint64_t> shape;  // outermost first
  Bytes data;
};

// A file of these tensors in their order. The header is padded with spaces until its length is `odd` beyond a multiple
// of 8: the data then lies at no round address.
Bytes safetensors_file(const std::vector<StoredForTest>& tensors, std::size_t odd = 0);
// The same around any header.
Bytes safetensors_file(std::string_view header, const Bytes& data);

// A new folder, removed in the end.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name = "model");
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  void write(const std::string& name, std::string_view text) const;
  void write(const std::string& name, const Bytes& bytes) const;
  void remove(const std::string& name) const;
  // model.safetensors, or with `shards` that many files and an index.
  void write_weights(const std::vector<StoredForTest>& tensors, std::size_t shards = 1, std::size_t odd = 0) const;

 private:
  std::string parent_, path_;
};

// How the tensors of a GGUF file are stored in a folder.
struct FolderForm {
  std::string architecture;    // GGUF's
  std::uint32_t head_dim = 0;  // of llama, whose Q and K rows go back to Hugging Face's order
  std::string prefix;          // before "model." and "lm_head."
};
std::vector<StoredForTest> as_stored(const TensorTable& tensors, const FolderForm& form);

}  // namespace troupe::test
