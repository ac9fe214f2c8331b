#include "model/gguf/metadata_writer.hpp"

#include "model/gguf/metadata_parser.hpp"

namespace troupe {
namespace {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint64_t>(text.size()));
  out += text;
}

}  // namespace

void MetadataWriter::begin(std::string_view key, ValueType type) {
  put_text(bytes_, key);
  put(bytes_, static_cast<std::uint32_t>(type));
  ++count_;
}

void MetadataWriter::begin_array(std::string_view key, ValueType element, std::uint64_t count) {
  begin(key, ValueType::kArray);
  put(bytes_, static_cast<std::uint32_t>(element));
  put(bytes_, count);
}

MetadataWriter& MetadataWriter::u32(std::string_view key, std::uint32_t value) {
  begin(key, ValueType::kU32);
  put(bytes_, value);
  return *this;
}

MetadataWriter& MetadataWriter::f32(std::string_view key, float value) {
  begin(key, ValueType::kF32);
  put(bytes_, value);
  return *this;
}

MetadataWriter& MetadataWriter::flag(std::string_view key, bool value) {
  begin(key, ValueType::kBool);
  put(bytes_, static_cast<std::uint8_t>(value));
  return *this;
}

MetadataWriter& MetadataWriter::text(std::string_view key, std::string_view value) {
  begin(key, ValueType::kString);
  put_text(bytes_, value);
  return *this;
}

MetadataWriter& MetadataWriter::flags(std::string_view key, const std::vector<bool>& values) {
  begin_array(key, ValueType::kBool, values.size());
  for (bool value : values) put(bytes_, static_cast<std::uint8_t>(value));
  return *this;
}

MetadataWriter& MetadataWriter::integers(std::string_view key, std::span<const std::int32_t> values) {
  begin_array(key, ValueType::kI32, values.size());
  for (std::int32_t value : values) put(bytes_, value);
  return *this;
}

MetadataWriter& MetadataWriter::floats(std::string_view key, std::span<const float> values) {
  begin_array(key, ValueType::kF32, values.size());
  for (float value : values) put(bytes_, value);
  return *this;
}

MetadataWriter& MetadataWriter::texts(std::string_view key, std::span<const std::string> values) {
  begin_array(key, ValueType::kString, values.size());
  for (const std::string& value : values) put_text(bytes_, value);
  return *this;
}

MetadataWriter& MetadataWriter::value(std::string_view key, const MetadataValue& value) {
  begin(key, value.type);
  bytes_.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  return *this;
}

Result<Metadata> MetadataWriter::parse() const {
  Cursor cursor(bytes());
  return parse_metadata(cursor, count_);
}

}  // namespace troupe
