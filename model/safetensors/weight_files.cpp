#include "model/safetensors/weight_files.hpp"

#include <algorithm>
#include <set>

#include "model/gguf/load_error.hpp"
#include "model/safetensors/folder_file.hpp"
#include "model/safetensors/json_object.hpp"

namespace troupe {
namespace {

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::string_view kSuffix = ".safetensors";
constexpr std::size_t kFileNameBytesMax = 255;

bool is_plain_name(const std::string& name) {
  return name.size() > kSuffix.size() && name.size() <= kFileNameBytesMax && name.ends_with(kSuffix) &&
         name.find('/') == std::string::npos && name.find("..") == std::string::npos &&
         name.find('\0') == std::string::npos;
}

Error no_weights(const std::string& folder) {
  bool has_pickles = exists_in(folder, "pytorch_model.bin") || exists_in(folder, "pytorch_model.bin.index.json");
  return load_error(folder, std::string("it has neither ") + kWhole + " nor " + kIndex +
                                (has_pickles ? "; PyTorch's pytorch_model.bin is not supported" : ""));
}

}  // namespace

Result<ShardIndex> parse_shard_index(std::string_view text) {
  auto document = JsonDocument::parse(text, kIndex, kIndexBytesMax);
  if (!document) return document.error();
  JsonObject root = document->root();
  auto map = root.object("weight_map");
  if (!map && document->status()) root.refuse("weight_map", "is missing");
  ShardIndex index;
  std::set<std::string> files;
  for (std::string_view tensor : map ? map->names() : std::vector<std::string_view>()) {
    std::string file = map->text(tensor);
    if (!document->status()) break;
    if (!is_plain_name(file))
      return load_error(kIndex, "\"" + printable(file) + "\" is not the name of a .safetensors file in this folder");
    files.insert(file);
    index.placed.emplace_back(tensor, std::move(file));
  }
  if (!document->status()) return document->status().error();
  if (files.empty() || files.size() > kShardsMax)
    return load_error(kIndex, "names " + std::to_string(files.size()) + " files; 1 to " + std::to_string(kShardsMax) +
                                  " are supported");
  index.files.assign(files.begin(), files.end());
  return index;
}

Result<WeightFiles> WeightFiles::open(const std::string& folder) {
  WeightFiles weights;
  if (exists_in(folder, kWhole)) {
    if (Status status = weights.add(folder, kWhole); !status) return status.error();
    return weights;
  }
  if (!exists_in(folder, kIndex)) return no_weights(folder);
  auto text = FolderFile::open(folder, kIndex);
  if (!text) return text.error();
  auto index = parse_shard_index(text->text());
  if (!index) return index.error();
  for (const std::string& file : index->files)
    if (Status status = weights.add(folder, file); !status) return status.error();
  for (const auto& [tensor, file] : index->placed) {
    auto found = weights.tensors_.find(tensor);
    if (found == weights.tensors_.end() || index->files[found->second.file] != file)
      return load_error(kIndex, printable(tensor) + " is not in " + printable(file));
  }
  return weights;
}

Status WeightFiles::add(const std::string& folder, const std::string& name) {
  auto file = MappedFile::open(folder + "/" + name);
  if (!file) return load_error(name, file.error().message);
  auto contents = parse_safetensors(file->bytes(), name);
  if (!contents) return contents.error();
  for (auto& [tensor, stored] : contents->tensors) {
    stored.file = files_.size();
    if (!tensors_.emplace(tensor, std::move(stored)).second)
      return load_error(name, printable(tensor) + " is in another file, too");
  }
  if (tensors_.size() > kStoredTensorsMax)
    return load_error(name, "is one of several with more than " + std::to_string(kStoredTensorsMax) + " tensors");
  header_bytes_.push_back(contents->header_bytes);
  files_.push_back(std::move(*file));
  return {};
}

std::int64_t WeightFiles::modified_s() const {
  std::int64_t newest = 0;
  for (const MappedFile& file : files_) newest = std::max(newest, file.modified_s());
  return newest;
}

void WeightFiles::forget(std::span<const std::byte> read) const {
  for (const MappedFile& file : files_) file.forget(read);  // all but one leave it alone
}

}  // namespace troupe
