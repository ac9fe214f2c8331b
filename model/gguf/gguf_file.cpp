#include "model/gguf/gguf_file.hpp"

#include <bit>
#include <cstdio>

#include "model/gguf/cursor.hpp"
#include "model/gguf/load_error.hpp"
#include "model/gguf/metadata_parser.hpp"
#include "model/gguf/mistaken_file.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kAlignmentDefault = 32;
constexpr std::uint64_t kAlignmentMin = 8;
constexpr std::uint64_t kAlignmentMax = 1U << 20;

std::string what_else(std::string_view text) {
  if (std::string reason = mistaken_file(text); !reason.empty()) return reason;
  if (text.size() > 9 && text[8] == '{')
    return "this is a safetensors file; give the folder it is in, with config.json and tokenizer.json";
  if (text.substr(0, 1) == "{") return "this is a JSON file; give the folder it is in";
  return "this is not a GGUF file (its first bytes are \"" + printable(text.substr(0, 4)) + "\")";
}

Status check_version(Cursor& cursor) {
  std::uint32_t version = 0;
  if (!cursor.take(version)) return load_error("version", "the file ends before it");
  if ((version & 0xFFFF) == 0 && version != 0)
    return load_error("version", "this file is big-endian; only little-endian GGUF files are supported");
  if (version != 2 && version != 3)
    return load_error("version", "is " + std::to_string(version) + "; GGUF versions 2 and 3 are supported");
  return {};
}

Result<std::uint64_t> alignment_of(const Metadata& metadata) {
  const MetadataValue* value = metadata.find("general.alignment");
  if (!value) return kAlignmentDefault;
  if (value->type != ValueType::kU32)
    return load_error("general.alignment", std::string("is of type ") + name_of(value->type) + ", not u32");
  std::uint64_t alignment = std::get<std::uint64_t>(value->value);
  if (alignment < kAlignmentMin || alignment > kAlignmentMax || !std::has_single_bit(alignment))
    return load_error("general.alignment",
                      "is " + std::to_string(alignment) + "; it must be a power of two from 8 to 1048576");
  return alignment;
}

}  // namespace

Result<GgufContents> parse_gguf(std::span<const std::uint8_t> bytes) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.substr(0, 4) == "FUGG")
    return load_error("magic", "this file is big-endian; only little-endian is supported");
  if (text.substr(0, 4) != "GGUF") return load_error("magic", what_else(text));
  Cursor cursor(bytes);
  std::span<const std::uint8_t> magic;
  cursor.take_bytes(4, magic);
  if (Status status = check_version(cursor); !status) return status.error();
  std::uint64_t tensor_count = 0, key_count = 0;
  if (!cursor.take(tensor_count) || !cursor.take(key_count)) return load_error("header", "the file is cut off");

  auto metadata = parse_metadata(cursor, key_count);
  if (!metadata) return metadata.error();
  auto alignment = alignment_of(*metadata);
  if (!alignment) return alignment.error();
  auto tensors = parse_tensor_table(cursor, tensor_count);
  if (!tensors) return tensors.error();

  std::uint64_t padding = (*alignment - cursor.position() % *alignment) % *alignment;
  if (padding > cursor.remaining()) {
    if (tensor_count > 0) return load_error("data", "the file ends before the tensor data");
    padding = cursor.remaining();
  }
  std::uint64_t header_bytes = cursor.position() + padding;
  if (Status status = tensors->bind(bytes.subspan(header_bytes), *alignment); !status) return status.error();
  return GgufContents{std::move(*metadata), std::move(*tensors), header_bytes};
}

namespace {

// "-00002-of-00003.gguf"
std::string shard_suffix(std::uint64_t number, std::uint64_t count) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05llu-of-%05llu.gguf", static_cast<unsigned long long>(number),
                static_cast<unsigned long long>(count));
  return text;
}

}  // namespace

Result<GgufFile> GgufFile::open(const std::string& path) {
  GgufFile whole;
  if (Status status = whole.add_shard(path, 0, 0); !status) return status.error();
  auto count = whole.metadata_.count("split.count", 0, kShardsMax, 0);
  if (!count) return count.error();
  if (*count > 1) {
    if (Status status = whole.add_shards(path, *count); !status) return status.error();
  }
  return whole;
}

// The shard `number` of `count`; the first one is taken as it is, with 0 for both.
Status GgufFile::add_shard(const std::string& path, std::uint64_t number, std::uint64_t count) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  auto contents = parse_gguf(file->bytes());
  if (!contents) return contents.error();
  if (count > 0) {
    auto own_number = contents->metadata.count("split.no", 0, kShardsMax);
    auto own_count = contents->metadata.count("split.count", 0, kShardsMax);
    if (!own_number) return own_number.error();
    if (!own_count) return own_count.error();
    if (*own_number != number || *own_count != count)
      return load_error("split.no", "is " + std::to_string(*own_number) + " of " + std::to_string(*own_count) +
                                        "; this must be " + std::to_string(number) + " of " + std::to_string(count));
  } else {
    metadata_ = std::move(contents->metadata);
  }
  for (const auto& [name, tensor] : contents->tensors.all())
    if (!tensors_.add(name, tensor)) return load_error(name, "this tensor is in two of the files");
  auto header = file->bytes().first(contents->header_bytes);
  header_.insert(header_.end(), header.begin(), header.end());
  files_.push_back(std::move(*file));
  return {};
}

Status GgufFile::add_shards(const std::string& path, std::uint64_t count) {
  auto number = metadata_.count("split.no", 0, kShardsMax);
  if (!number) return number.error();
  std::string suffix = shard_suffix(*number + 1, count);
  if (!path.ends_with(suffix))
    return load_error("split.no", "is " + std::to_string(*number) + " of " + std::to_string(count) +
                                      " files; then the name must end in " + suffix);
  std::string stem = path.substr(0, path.size() - suffix.size());
  if (*number != 0)
    return load_error("split.no", "this is file " + std::to_string(*number + 1) + " of " + std::to_string(count) +
                                      "; give the first, " + stem + shard_suffix(1, count));
  for (std::uint64_t i = 1; i < count; ++i) {
    std::string shard = stem + shard_suffix(i + 1, count);
    if (Status status = add_shard(shard, i, count); !status)
      return Error{status.error().code, shard + ": " + status.error().message, status.error().param, 0};
  }
  auto tensors = metadata_.count("split.tensors.count", 0, kTensorsMax, tensors_.all().size());
  if (!tensors) return tensors.error();
  if (*tensors != tensors_.all().size())
    return load_error("split.tensors.count", "is " + std::to_string(*tensors) + "; the files have " +
                                                 std::to_string(tensors_.all().size()) + " tensors");
  return {};
}

}  // namespace troupe
