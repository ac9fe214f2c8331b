#pragma once
// Reads a fuzzer's bytes as numbers and texts; when they are used up, everything is zero and empty.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::test {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* bytes, std::size_t size) : rest_(reinterpret_cast<const char*>(bytes), size) {}

  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  // A byte of length and so many bytes.
  std::string text() {
    std::size_t length = byte();
    std::string_view text = rest_.substr(0, length);
    rest_.remove_prefix(text.size());
    return std::string(text);
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace troupe::test
