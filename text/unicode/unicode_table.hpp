#pragma once
// The kind of every code point, in two stages: equal blocks of 128 are stored once (some 55 KB in all). Unicode 15.0,
// plus CJK extension I (15.1) as letters, which is what the reference tokenizers' tables say. Written at build time by
// generate_table.py from Debian's unicode-data, so no library's version decides how text is cut.
#include <cstdint>

namespace troupe {

// General categories as coarsely as tokenizers see them, in the generator's order.
enum class CharacterKind : std::uint8_t {
  kHidden,       // Cc Cf Cs Co and unassigned, unless kSpace
  kUpper,        // Lu Lt
  kLower,        // Ll
  kCaseless,     // Lm Lo
  kMark,         // Mn Mc Me
  kNumber,       // Nd Nl No
  kPunctuation,  // Pc Pd Ps Pe Pi Pf Po
  kSymbol,       // Sm Sc Sk So
  kSpace,        // \s: U+0009-D, 20, 85, A0, 1680, 2000-200A, 2028, 2029, 202F, 205F, 3000
  kNothing,      // no character: the end of a text
};

extern const std::uint16_t kUnicodeBlockOf[0x110000 / 128];
extern const std::uint8_t kUnicodeKinds[];

// code_point: at most U+10FFFF.
inline CharacterKind kind_of(char32_t code_point) {
  std::uint32_t block = kUnicodeBlockOf[code_point / 128];
  return static_cast<CharacterKind>(kUnicodeKinds[block * 128 + code_point % 128]);
}

// A set of kinds, as bits.
using KindSet = std::uint32_t;
template <class... Kinds>
constexpr KindSet kinds(Kinds... each) {
  return (KindSet{0} | ... | (KindSet{1} << static_cast<std::uint32_t>(each)));
}
constexpr bool has(KindSet set, CharacterKind kind) { return (set >> static_cast<std::uint32_t>(kind) & 1) != 0; }

}  // namespace troupe
