// Answers unicode_differential.py and splitter_differential.py. Each question is a line "WHAT BYTES" and then so many
// bytes of text: "kinds" gets one digit a code point, "nfc" a line with a length and then the text in form C, the name
// of a pre-tokenizer a line with the lengths of its pieces.
#include <iostream>
#include <string>

#include "text/tokenizer/pre_tokenizer.hpp"
#include "text/unicode/nfc.hpp"
#include "text/unicode/unicode_table.hpp"

namespace {

void answer_kinds() {
  std::string digits;
  for (char32_t c = 0; c <= 0x10FFFF; ++c)
    digits.push_back(static_cast<char>('0' + static_cast<int>(troupe::kind_of(c))));
  std::cout << digits << '\n';
}

void answer_nfc(const std::string& text) {
  std::string normalized = troupe::to_nfc(text);
  std::cout << normalized.size() << '\n' << normalized;
}

bool answer_pieces(const std::string& pre, const std::string& text) {
  auto rules = troupe::find_pre_tokenizer(pre);
  if (!rules) return false;
  troupe::split_text(rules->splitter, text, [](std::string_view piece) { std::cout << piece.size() << ' '; });
  std::cout << '\n';
  return true;
}

}  // namespace

int main() {
  std::string what;
  for (std::size_t bytes = 0; std::cin >> what >> bytes;) {
    std::cin.get();
    std::string text(bytes, '\0');
    std::cin.read(text.data(), static_cast<std::streamsize>(bytes));
    if (what == "kinds") {
      answer_kinds();
    } else if (what == "nfc") {
      answer_nfc(text);
    } else if (!answer_pieces(what, text)) {
      std::cerr << "unknown: " << what << '\n';
      return 1;
    }
  }
}
