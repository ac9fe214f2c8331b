#pragma once
// A GGUF file (version 2 or 3), parsed and checked: what it says fits what it is. Nothing here knows about models.
#include <span>
#include <string>

#include "model/gguf/mapped_file.hpp"
#include "model/gguf/metadata.hpp"
#include "model/gguf/tensor_table.hpp"

namespace troupe {

// Points into the bytes it was parsed from.
struct GgufContents {
  Metadata metadata;
  TensorTable tensors;
  std::uint64_t header_bytes = 0;  // everything before the tensor data
};
Result<GgufContents> parse_gguf(std::span<const std::uint8_t> bytes);

class GgufFile {
 public:
  // Errors are "<field>: <reason>", see load_error.hpp.
  static Result<GgufFile> open(const std::string& path);

  const Metadata& metadata() const { return contents_.metadata; }
  const TensorTable& tensors() const { return contents_.tensors; }
  std::span<const std::uint8_t> header() const { return file_.bytes().first(contents_.header_bytes); }
  std::int64_t modified_s() const { return file_.modified_s(); }
  void forget(std::span<const std::byte> read) const { file_.forget(read); }

 private:
  GgufFile(MappedFile file, GgufContents contents) : file_(std::move(file)), contents_(std::move(contents)) {}

  MappedFile file_;
  GgufContents contents_;
};

}  // namespace troupe
