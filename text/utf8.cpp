#include "text/utf8.hpp"

namespace troupe {

namespace {

// What a lead byte promises: how many continuation bytes, and the range of the first of them.
struct Lead {
  std::uint32_t continuations;
  unsigned char lowest;
  unsigned char highest;
  bool valid;
};

Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {0, 0x80, 0xBF, true};
  if (byte < 0xC2) return {0, 0x80, 0xBF, false};
  if (byte < 0xE0) return {1, 0x80, 0xBF, true};
  if (byte == 0xE0) return {2, 0xA0, 0xBF, true};
  if (byte == 0xED) return {2, 0x80, 0x9F, true};
  if (byte < 0xF0) return {2, 0x80, 0xBF, true};
  if (byte == 0xF0) return {3, 0x90, 0xBF, true};
  if (byte < 0xF4) return {3, 0x80, 0xBF, true};
  if (byte == 0xF4) return {3, 0x80, 0x8F, true};
  return {0, 0x80, 0xBF, false};
}

}  // namespace

void append_utf8(std::string& text, char32_t c) {
  auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
      ++at;
      continue;
    }
    Lead lead = lead_of(first);
    if (!lead.valid || text.size() - at <= lead.continuations) return at;
    for (std::uint32_t i = 1; i <= lead.continuations; ++i) {
      auto byte = static_cast<unsigned char>(text[at + i]);
      if (byte < (i == 1 ? lead.lowest : 0x80) || byte > (i == 1 ? lead.highest : 0xBF)) return at;
    }
    at += lead.continuations + 1;
  }
  return std::nullopt;
}

std::size_t count_code_points(std::string_view text) {
  std::size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

void Utf8Assembler::push(std::string_view bytes, std::string& text) {
  for (char c : bytes) {
    auto byte = static_cast<unsigned char>(c);
    if (missing_ > 0) {
      if (byte >= lowest_ && byte <= highest_) {
        held_[held_count_++] = c;
        lowest_ = 0x80, highest_ = 0xBF;
        if (--missing_ == 0) {
          text.append(held_, held_count_);
          held_count_ = 0;
        }
        continue;
      }
      finish(text);  // the byte may start a character of its own
    }
    Lead lead = lead_of(byte);
    if (!lead.valid) {
      text += kReplacementCharacter;
    } else if (lead.continuations == 0) {
      text.push_back(c);
    } else {
      held_[0] = c, held_count_ = 1;
      missing_ = lead.continuations, lowest_ = lead.lowest, highest_ = lead.highest;
    }
  }
}

void Utf8Assembler::finish(std::string& text) {
  if (missing_ > 0) text += kReplacementCharacter;
  held_count_ = 0, missing_ = 0;
}

}  // namespace troupe
