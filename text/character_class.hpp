#pragma once
// What the template language asks of a character, from the table that pre-tokenizers use (unicode/unicode_table.hpp).
// Case mappings are libutf8proc's.
#include <cstdint>

namespace troupe {

enum class CharacterClass : std::uint8_t {
  kOther,        // symbols, punctuation, marks, control, unassigned
  kLetter,       // \p{L}
  kNumber,       // \p{N}
  kSpace,        // \s
  kPunctuation,  // \p{P}
};

CharacterClass class_of(char32_t code_point);

// What Python's str.isspace() says: \s and the four information separators U+001C-1F.
bool is_python_space(char32_t code_point);

// What Python's str.isprintable() says: neither control, format, unassigned, private nor a separator except the space.
bool is_printable(char32_t code_point);

char32_t to_upper(char32_t code_point);  // simple mappings: one code point to one
char32_t to_lower(char32_t code_point);
char32_t to_title(char32_t code_point);

}  // namespace troupe
