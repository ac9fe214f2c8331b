#pragma once
// Reads little-endian values from the front of a span. Nothing is read, and false comes back, when the bytes that
// are left do not suffice; lengths are compared with what is left, never added to a position first.
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace troupe {

static_assert(std::endian::native == std::endian::little, "model files are read as they lie");

class Cursor {
 public:
  explicit Cursor(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return bytes_.size() - position_; }

  template <class T>
  bool take(T& value) {
    static_assert(std::is_arithmetic_v<T>);
    if (remaining() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return true;
  }

  bool take_bytes(std::uint64_t count, std::span<const std::uint8_t>& bytes) {
    if (remaining() < count) return false;
    bytes = bytes_.subspan(position_, count);
    position_ += count;
    return true;
  }

  // A u64 length and that many bytes, at most `bytes_max`.
  bool take_string(std::uint64_t bytes_max, std::string_view& text) {
    std::uint64_t start = position_, length = 0;
    std::span<const std::uint8_t> bytes;
    if (!take(length) || length > bytes_max || !take_bytes(length, bytes)) {
      position_ = start;
      return false;
    }
    text = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    return true;
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::uint64_t position_ = 0;
};

}  // namespace troupe
