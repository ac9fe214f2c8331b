// Kinds of characters against libutf8proc, whose tables are of the same version; form C by examples of the standard.
// unicode_differential.py has the rest.
#include <utf8proc.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "text/character_class.hpp"
#include "text/unicode/nfc.hpp"
#include "text/unicode/unicode_table.hpp"

using namespace troupe;

namespace {

bool is_white_space(char32_t c) {  // the property White_Space, written out
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

CharacterKind expected_kind(char32_t c) {
  if (is_white_space(c)) return CharacterKind::kSpace;
  if (c >= 0x2EBF0 && c <= 0x2EE5D) return CharacterKind::kCaseless;
  std::string category = utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
  if (category == "Lu" || category == "Lt") return CharacterKind::kUpper;
  if (category == "Ll") return CharacterKind::kLower;
  switch (category[0]) {
    case 'L':
      return CharacterKind::kCaseless;
    case 'M':
      return CharacterKind::kMark;
    case 'N':
      return CharacterKind::kNumber;
    case 'P':
      return CharacterKind::kPunctuation;
    case 'S':
      return CharacterKind::kSymbol;
    default:
      return CharacterKind::kHidden;
  }
}

}  // namespace

TEST_CASE("kinds of all characters are those of Unicode 15.0") {
  REQUIRE(std::string(utf8proc_unicode_version()) == "15.0.0");
  std::size_t different = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) different += kind_of(c) != expected_kind(c);
  CHECK(different == 0);
}

TEST_CASE("the template language's classes follow from the kinds") {
  CHECK(class_of('a') == CharacterClass::kLetter);
  CHECK(class_of(0x01C5) == CharacterClass::kLetter);
  CHECK(class_of(0x0301) == CharacterClass::kOther);
  CHECK(class_of('$') == CharacterClass::kOther);
  CHECK(class_of('!') == CharacterClass::kPunctuation);
  CHECK(class_of(0x00BD) == CharacterClass::kNumber);
  CHECK(class_of(0x3000) == CharacterClass::kSpace);
  CHECK(is_printable(' '));
  CHECK_FALSE(is_printable(0x3000));
  CHECK_FALSE(is_printable(0x200D));
  CHECK_FALSE(is_printable(0xE000));
  CHECK(is_python_space(0x1C));
  CHECK_FALSE(is_python_space(0x200B));
}

TEST_CASE("form C composes, orders marks and keeps what the standard excludes") {
  CHECK(to_nfc("e\u0301") == "é");
  CHECK(to_nfc("a\u0307\u0323") == "\u1EA1\u0307");  // annex 15, figure 5: the mark below goes first
  CHECK(to_nfc("\u212B") == "\u00C5");               // singleton: Angstrom sign
  CHECK(to_nfc("\u0958") == "\u0915\u093C");         // composition exclusion
  CHECK(to_nfc("\u1112\u1161\u11AB") == "\uD55C");   // Hangul
  CHECK(to_nfc("\uFB01") == "\uFB01");               // a compatibility ligature stays
  CHECK(to_nfc("").empty());
  CHECK(to_nfc("plain") == "plain");
}

TEST_CASE("form C of half a million marks in the wrong order is no attack") {
  std::string hostile = "a";
  for (int i = 0; i < 250'000; ++i) hostile += "\u0301";  // class 230
  for (int i = 0; i < 250'000; ++i) hostile += "\u0323";  // class 220: each would travel past all of the first
  auto begin = std::chrono::steady_clock::now();
  std::string normalized = to_nfc(hostile);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  CHECK(normalized.substr(0, 5) == "\u1EA1\u0323");
  CHECK(normalized.substr(normalized.size() - 2) == "\u0301");
}
