#pragma once
// UTF-8 as the Unicode standard defines it (table 3-7): no overlong forms, no surrogates, nothing past U+10FFFF.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

struct CodePoint {
  char32_t value = 0;
  std::uint32_t bytes = 0;  // 1..4
};

// The code point at `at`. The text must be valid UTF-8 and `at` the start of a character in it.
inline CodePoint code_point_at(std::string_view text, std::size_t at) {
  auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

// Start of the character that ends before `at` (> 0), in valid UTF-8.
inline std::size_t character_before(std::string_view text, std::size_t at) {
  do --at;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80);
  return at;
}

void append_utf8(std::string& text, char32_t code_point);

// Where the first ill-formed sequence starts; nothing when all of the text is valid.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

std::size_t count_code_points(std::string_view text);  // of valid UTF-8

// Turns a stream of bytes into text: whole characters at once, U+FFFD for each maximal ill-formed part. Holds back at
// most 3 bytes. What comes out depends on the bytes only, not on how they were cut into pieces.
class Utf8Assembler {
 public:
  void push(std::string_view bytes, std::string& text);
  void finish(std::string& text);  // U+FFFD when a character was left unfinished

 private:
  char held_[4] = {};
  std::uint32_t held_count_ = 0;
  std::uint32_t missing_ = 0;    // continuation bytes the held character still needs
  unsigned char lowest_ = 0x80;  // range of the next continuation byte
  unsigned char highest_ = 0xBF;
};

}  // namespace troupe
