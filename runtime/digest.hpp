#pragma once
// SHA-256 (FIPS 180-4): keys of caches and names of weights must not collide, by accident or on purpose.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace troupe {

using Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  Sha256();
  Sha256& add(std::span<const std::uint8_t> bytes);
  Sha256& add(std::string_view text);  // the bytes, without length
  Digest finish();                     // the object is done with then

 private:
  void compress(const std::uint8_t* block);
  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> buffer_;
  std::uint64_t length_ = 0;  // bytes so far
};

std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace troupe
