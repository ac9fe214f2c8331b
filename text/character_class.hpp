#pragma once
// The character classes pre-tokenizers speak of. Unicode 15.0, plus CJK extension I (15.1) as letters, which is what
// the reference tokenizers' tables say.
#include <cstdint>

namespace troupe {

enum class CharacterClass : std::uint8_t {
  kOther,        // symbols, punctuation, marks, control, unassigned
  kLetter,       // \p{L}
  kNumber,       // \p{N}
  kSpace,        // \s: U+0009-D, 20, 85, A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000
  kPunctuation,  // \p{P}
};

CharacterClass class_of(char32_t code_point);

// What Python's str.isspace() says: \s and the four information separators U+001C-1F.
bool is_python_space(char32_t code_point);

// What Python's str.isprintable() says: neither control, format, unassigned, private nor a separator except the space.
bool is_printable(char32_t code_point);

char32_t to_upper(char32_t code_point);  // simple mappings: one code point to one
char32_t to_lower(char32_t code_point);

}  // namespace troupe
