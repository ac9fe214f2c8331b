#pragma once
// The weights of a folder: model.safetensors, or the shards that model.safetensors.index.json names, mapped.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/mapped_file.hpp"
#include "model/safetensors/safetensors_file.hpp"

namespace troupe {

inline constexpr std::size_t kShardsMax = 1024;
inline constexpr std::size_t kIndexBytesMax = 32U << 20;

// The names of the shards, each once, in their order. Hostile: a name with a slash or ".." in it is refused.
// `placed` gets (tensor, file) for every entry.
struct ShardIndex {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, std::string>> placed;
};
Result<ShardIndex> parse_shard_index(std::string_view text);

class WeightFiles {
 public:
  // Every tensor of every shard is taken, as Hugging Face's loader does; one that the index places elsewhere, or that
  // two shards have, is an error.
  static Result<WeightFiles> open(const std::string& folder);

  const StoredTensors& tensors() const { return tensors_; }
  std::span<const std::uint8_t> header(std::size_t file) const {
    return files_[file].bytes().first(header_bytes_[file]);
  }
  std::size_t size() const { return files_.size(); }
  std::int64_t modified_s() const;  // of the newest file
  void forget(std::span<const std::byte> read) const;

 private:
  Status add(const std::string& folder, const std::string& name);

  std::vector<MappedFile> files_;
  std::vector<std::uint64_t> header_bytes_;
  StoredTensors tensors_;
};

}  // namespace troupe
