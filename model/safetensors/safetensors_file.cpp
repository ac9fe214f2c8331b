#include "model/safetensors/safetensors_file.hpp"

#include <algorithm>
#include <tuple>

#include "model/gguf/cursor.hpp"
#include "model/gguf/load_error.hpp"
#include "model/gguf/mistaken_file.hpp"
#include "model/gguf/tensor_table.hpp"
#include "model/safetensors/json_object.hpp"

namespace troupe {
namespace {

constexpr DType kF32 = DType::kF32, kF16 = DType::kF16, kBF16 = DType::kBF16;

constexpr StoredType kStoredTypes[] = {
    {"F32", 4, &kF32},       {"F16", 2, &kF16},    {"BF16", 2, &kBF16}, {"F64", 8, nullptr}, {"F8_E4M3", 1, nullptr},
    {"F8_E5M2", 1, nullptr}, {"BOOL", 1, nullptr}, {"U8", 1, nullptr},  {"I8", 1, nullptr},  {"U16", 2, nullptr},
    {"I16", 2, nullptr},     {"U32", 4, nullptr},  {"I32", 4, nullptr}, {"U64", 8, nullptr}, {"I64", 8, nullptr},
};

const StoredType* find_stored_type(std::string_view name) {
  for (const StoredType& type : kStoredTypes)
    if (name == type.name) return &type;
  return nullptr;
}

// nullopt: more than 2^44.
std::optional<std::uint64_t> elements_of(const std::vector<std::uint64_t>& shape) {
  std::uint64_t elements = 1;
  for (std::uint64_t dimension : shape) {
    if (dimension != 0 && elements > kElementsMax / dimension) return {};
    elements *= dimension;
  }
  return elements;
}

void read_entry(JsonObject& entry, std::span<const std::uint8_t> data, StoredTensor& tensor) {
  std::string type = entry.text("dtype");
  tensor.type = find_stored_type(type);
  if (tensor.type == nullptr) return entry.refuse("dtype", "is \"" + printable(type) + "\", which is not supported");
  if (!entry.has("shape")) return entry.refuse("shape", "is missing");
  tensor.shape = entry.counts("shape", kStoredDimensionsMax, kDimensionMax);
  auto elements = elements_of(tensor.shape);
  if (!elements) return entry.refuse("shape", "has more than 2^44 elements");
  std::vector<std::uint64_t> offsets = entry.counts("data_offsets", 2, data.size());
  if (offsets.size() != 2 || offsets[0] > offsets[1])
    return entry.refuse("data_offsets", "must be where the tensor's bytes begin and end");
  std::uint64_t needed = *elements * tensor.type->bytes;  // at most 2^44 * 8
  if (offsets[1] - offsets[0] != needed)
    return entry.refuse("data_offsets", "are " + std::to_string(offsets[1] - offsets[0]) + " bytes; the shape and " +
                                            tensor.type->name + " need " + std::to_string(needed));
  tensor.bytes = std::as_bytes(data.subspan(offsets[0], needed));
}

// One after the other from the first byte to the last.
Status check_coverage(const StoredTensors& tensors, std::span<const std::uint8_t> data, const std::string& file) {
  std::vector<std::tuple<std::uint64_t, std::uint64_t, std::string_view>> ranges;  // begin, end, name
  ranges.reserve(tensors.size());
  const auto* start = reinterpret_cast<const std::byte*>(data.data());
  for (const auto& [name, tensor] : tensors) {
    auto begin = static_cast<std::uint64_t>(tensor.bytes.data() - start);
    ranges.emplace_back(begin, begin + tensor.bytes.size(), name);
  }
  std::sort(ranges.begin(), ranges.end());
  std::uint64_t covered = 0;
  for (const auto& [begin, end, name] : ranges) {
    if (begin < covered) return load_error(file, printable(name) + " overlaps with another tensor");
    if (begin > covered)
      return load_error(
          file, "there are " + std::to_string(begin - covered) + " bytes of no tensor before " + printable(name));
    covered = end;
  }
  if (covered == data.size()) return {};
  return load_error(file, "there are " + std::to_string(data.size() - covered) + " bytes of no tensor at the end");
}

}  // namespace

Result<SafetensorsContents> parse_safetensors(std::span<const std::uint8_t> bytes, const std::string& file) {
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (std::string reason = mistaken_file(text); !reason.empty()) return load_error(file, reason);
  Cursor cursor(bytes);
  std::uint64_t length = 0;
  if (!cursor.take(length)) return load_error(file, "it ends before the header");
  if (length > kSafetensorsHeaderBytesMax || length > cursor.remaining())
    return load_error(file, "says its header has " + std::to_string(length) + " bytes; at most " +
                                std::to_string(std::min(kSafetensorsHeaderBytesMax, cursor.remaining())) +
                                " can be in this file (cut off, or not a safetensors file?)");
  SafetensorsContents contents;
  contents.header_bytes = cursor.position() + length;
  std::string_view header = text.substr(cursor.position(), length);
  if (header.substr(0, 1) != "{") return load_error(file, "its header does not begin with a brace");
  auto document = JsonDocument::parse(header, file, kSafetensorsHeaderBytesMax);
  if (!document) return document.error();
  JsonObject root = document->root();
  std::span<const std::uint8_t> data = bytes.subspan(contents.header_bytes);
  for (std::string_view name : root.names()) {
    if (name == "__metadata__") {
      auto metadata = root.object(name);
      for (std::string_view key : metadata ? metadata->names() : std::vector<std::string_view>()) metadata->text(key);
      continue;
    }
    if (name.empty() || name.size() > kStoredNameBytesMax || contents.tensors.size() == kStoredTensorsMax)
      return load_error(file, "has more than " + std::to_string(kStoredTensorsMax) + " tensors, or one whose name is " +
                                  "empty or longer than " + std::to_string(kStoredNameBytesMax) + " bytes");
    auto entry = root.object(name);
    if (!entry) root.refuse(name, "is not an object");
    if (entry) read_entry(*entry, data, contents.tensors[std::string(name)]);
    if (!document->status()) return document->status().error();
  }
  if (!document->status()) return document->status().error();
  if (Status status = check_coverage(contents.tensors, data, file); !status) return status.error();
  return contents;
}

}  // namespace troupe
