#include "text/tokenizer/byte_alphabet.hpp"

#include <array>

#include "text/utf8.hpp"

namespace troupe {

namespace {

constexpr std::size_t kStandInsEnd = 0x100 + 68;  // one past the largest code point of the alphabet

struct ByteAlphabet {
  std::array<std::string, 256> text_of;
  std::array<std::int16_t, kStandInsEnd> byte_of;

  ByteAlphabet() {
    byte_of.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      bool stands_for_itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      char32_t stand_in = stands_for_itself ? static_cast<char32_t>(byte) : next++;
      append_utf8(text_of[static_cast<std::size_t>(byte)], stand_in);
      byte_of[stand_in] = static_cast<std::int16_t>(byte);
    }
  }
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet instance;
  return instance;
}

}  // namespace

const std::string& byte_stand_in(std::uint8_t byte) { return alphabet().text_of[byte]; }

std::optional<std::string> bytes_of_stand_ins(std::string_view token) {
  if (find_invalid_utf8(token)) return std::nullopt;
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    CodePoint c = code_point_at(token, at);
    if (c.value >= kStandInsEnd || alphabet().byte_of[c.value] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(alphabet().byte_of[c.value])));
    at += c.bytes;
  }
  return bytes;
}

}  // namespace troupe
