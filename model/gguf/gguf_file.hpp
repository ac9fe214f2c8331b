#pragma once
// A GGUF file (version 2 or 3), parsed and checked: what it says fits what it is. Nothing here knows about models.
#include <span>
#include <string>
#include <vector>

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

// One file, or several that belong together: NAME-00001-of-00003.gguf and so on, of which the first has the metadata.
class GgufFile {
 public:
  static constexpr std::uint32_t kShardsMax = 1024;

  // `path` is the file, or the first of several; the others are looked for beside it. Errors are "<field>: <reason>",
  // see load_error.hpp.
  static Result<GgufFile> open(const std::string& path);

  const Metadata& metadata() const { return metadata_; }
  const TensorTable& tensors() const { return tensors_; }
  // Everything but the tensor data, of all files.
  std::span<const std::uint8_t> header() const { return header_; }
  std::int64_t modified_s() const { return files_.front().modified_s(); }
  void forget(std::span<const std::byte> read) const {
    for (const MappedFile& file : files_) file.forget(read);
  }

 private:
  GgufFile() = default;
  Status add_shard(const std::string& path, std::uint64_t number, std::uint64_t count);
  Status add_shards(const std::string& path, std::uint64_t count);

  std::vector<MappedFile> files_;
  Metadata metadata_;
  TensorTable tensors_;
  std::vector<std::uint8_t> header_;
};

}  // namespace troupe
