#include "model/gguf/gguf_output.hpp"

#include <cstdio>

#include "model/gguf/metadata_writer.hpp"
#include "tensor/shape.hpp"

namespace troupe {
namespace {

constexpr std::uint64_t kAlignment = 32;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint64_t>(text.size()));
  out += text;
}

std::string header_of(const Metadata& source, std::map<std::string, std::uint32_t> numbers,
                      const std::vector<TensorToWrite>& tensors) {
  numbers["general.alignment"] = kAlignment;
  MetadataWriter pairs;
  for (const auto& [key, value] : source.all())
    if (!numbers.contains(std::string(key))) pairs.value(key, value);
  for (const auto& [key, number] : numbers) pairs.u32(key, number);
  std::string out = "GGUF";
  put(out, std::uint32_t{3});
  put(out, static_cast<std::uint64_t>(tensors.size()));
  put(out, pairs.count());
  out.append(reinterpret_cast<const char*>(pairs.bytes().data()), pairs.bytes().size());
  std::uint64_t offset = 0;
  for (const TensorToWrite& tensor : tensors) {
    put_text(out, tensor.name);
    put(out, tensor.dimensions);
    for (std::uint32_t i = 0; i < tensor.dimensions; ++i) put(out, tensor.shape[i]);
    put(out, static_cast<std::uint32_t>(tensor.type));
    put(out, offset);
    offset += round_up(tensor.byte_count, kAlignment);
  }
  out.resize(round_up(out.size(), kAlignment), '\0');
  return out;
}

}  // namespace

Result<GgufOutput> GgufOutput::create(const std::string& path, const Metadata& source,
                                      const std::map<std::string, std::uint32_t>& numbers,
                                      const std::vector<TensorToWrite>& tensors) {
  GgufOutput output;
  output.path_ = path;
  output.part_ = path + ".part";
  output.file_.open(output.part_, std::ios::binary | std::ios::trunc);
  std::string header = header_of(source, numbers, tensors);
  output.file_.write(header.data(), static_cast<std::streamsize>(header.size()));
  if (Status status = output.failed(); !status) return status.error();
  return output;
}

GgufOutput::~GgufOutput() {
  if (!file_.is_open()) return;
  file_.close();
  std::remove(part_.c_str());
}

Status GgufOutput::failed() const {
  if (file_.good()) return {};
  return Error{ErrorCode::kConfiguration, "cannot write " + part_ + " (is there room, and may it be written?)", "", 0};
}

Status GgufOutput::append(std::span<const std::byte> data) {
  constexpr char kZeros[kAlignment] = {};
  file_.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  file_.write(kZeros, static_cast<std::streamsize>(round_up(data.size(), kAlignment) - data.size()));
  return failed();
}

Status GgufOutput::finish() {
  file_.flush();
  if (Status status = failed(); !status) return status;
  file_.close();
  if (std::rename(part_.c_str(), path_.c_str()) == 0) return {};
  std::remove(part_.c_str());
  return Error{ErrorCode::kConfiguration, "cannot give " + part_ + " the name " + path_, "", 0};
}

}  // namespace troupe
