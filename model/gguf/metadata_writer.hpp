#pragma once
// Key-value pairs in the bytes a GGUF file has them in: what parse_metadata reads.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/metadata.hpp"

namespace troupe {

class MetadataWriter {
 public:
  // A key must not be written twice.
  MetadataWriter& u32(std::string_view key, std::uint32_t value);
  MetadataWriter& f32(std::string_view key, float value);
  MetadataWriter& flag(std::string_view key, bool value);
  MetadataWriter& text(std::string_view key, std::string_view value);
  MetadataWriter& flags(std::string_view key, const std::vector<bool>& values);
  MetadataWriter& integers(std::string_view key, std::span<const std::int32_t> values);
  MetadataWriter& floats(std::string_view key, std::span<const float> values);
  MetadataWriter& texts(std::string_view key, std::span<const std::string> values);
  MetadataWriter& value(std::string_view key, const MetadataValue& value);  // as it stood in its file

  std::span<const std::uint8_t> bytes() const {
    return {reinterpret_cast<const std::uint8_t*>(bytes_.data()), bytes_.size()};
  }
  std::uint64_t count() const { return count_; }

  // Points into bytes(), which must stay where they are.
  Result<Metadata> parse() const;

 private:
  void begin(std::string_view key, ValueType type);
  void begin_array(std::string_view key, ValueType element, std::uint64_t count);

  std::string bytes_;
  std::uint64_t count_ = 0;
};

}  // namespace troupe
