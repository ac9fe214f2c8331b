#include "text/character_class.hpp"

#include <utf8proc.h>

#include "text/unicode/unicode_table.hpp"

namespace troupe {

CharacterClass class_of(char32_t c) {
  switch (kind_of(c)) {
    case CharacterKind::kUpper:
    case CharacterKind::kLower:
    case CharacterKind::kCaseless:
      return CharacterClass::kLetter;
    case CharacterKind::kNumber:
      return CharacterClass::kNumber;
    case CharacterKind::kSpace:
      return CharacterClass::kSpace;
    case CharacterKind::kPunctuation:
      return CharacterClass::kPunctuation;
    case CharacterKind::kHidden:
    case CharacterKind::kMark:
    case CharacterKind::kSymbol:
    case CharacterKind::kNothing:
      return CharacterClass::kOther;
  }
  return CharacterClass::kOther;
}

bool is_python_space(char32_t c) { return kind_of(c) == CharacterKind::kSpace || (c >= 0x1C && c <= 0x1F); }

bool is_printable(char32_t c) {
  return c == ' ' || !has(kinds(CharacterKind::kHidden, CharacterKind::kSpace), kind_of(c));
}

char32_t to_upper(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }
char32_t to_title(char32_t c) { return static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))); }
char32_t to_lower(char32_t c) { return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))); }

}  // namespace troupe
