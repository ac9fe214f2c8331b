#pragma once
// What the splitters are written with: a text, how much of it has been cut off, and what its characters are.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "text/tokenizer/pre_tokenizer.hpp"
#include "text/unicode/unicode_table.hpp"
#include "text/utf8.hpp"

namespace troupe {

inline constexpr KindSet kLetters = kinds(CharacterKind::kUpper, CharacterKind::kLower, CharacterKind::kCaseless);
inline constexpr KindSet kMarks = kinds(CharacterKind::kMark);
inline constexpr KindSet kNumbers = kinds(CharacterKind::kNumber);
inline constexpr KindSet kSpaces = kinds(CharacterKind::kSpace);
inline constexpr KindSet kPunctuations = kinds(CharacterKind::kPunctuation);
// [^\s\p{L}\p{N}], without and with \p{M}
inline constexpr KindSet kUnmarkedSymbols =
    kinds(CharacterKind::kHidden, CharacterKind::kPunctuation, CharacterKind::kSymbol);
inline constexpr KindSet kSymbols = kUnmarkedSymbols | kMarks;

struct PieceCharacter {
  char32_t value = 0;
  std::uint32_t bytes = 0;
  CharacterKind kind = CharacterKind::kNothing;  // in no set: the text has ended

  bool is(KindSet set) const { return has(set, kind); }
  bool is_line_break() const { return value == '\r' || value == '\n'; }
};

class PieceScanner {
 public:
  explicit PieceScanner(std::string_view text) : text_(text) {}

  bool done() const { return at_ == text_.size(); }
  std::size_t at() const { return at_; }

  // The character at `at`; one of no bytes at the end of the text.
  PieceCharacter look(std::size_t at) const {
    if (at >= text_.size()) return {};
    CodePoint c = code_point_at(text_, at);
    return {c.value, c.bytes, kind_of(c.value)};
  }

  // The first place from `at` whose character does not satisfy `predicate`.
  template <class Predicate>
  std::size_t skip(std::size_t at, Predicate&& predicate) const {
    for (PieceCharacter c = look(at); c.bytes > 0 && predicate(c); c = look(at)) at += c.bytes;
    return at;
  }
  std::size_t skip_kinds(std::size_t at, KindSet set) const {
    return skip(at, [set](const PieceCharacter& c) { return c.is(set); });
  }
  std::size_t skip_line_breaks(std::size_t at) const {
    return skip(at, [](const PieceCharacter& c) { return c.is_line_break(); });
  }
  // \p{N}{1,count_max}
  std::size_t skip_numbers(std::size_t at, int count_max) const {
    return skip(
        at, [count = 0, count_max](const PieceCharacter& c) mutable { return c.is(kNumbers) && count++ < count_max; });
  }

  // Length of 's 't 're 've 'm 'll 'd at `at`, 0 when there is none.
  std::size_t contraction(std::size_t at, bool any_case) const {
    if (at >= text_.size() || text_[at] != '\'') return 0;
    auto letter = [&](std::size_t i) -> char {
      if (i >= text_.size()) return 0;
      char c = text_[i];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    char first = letter(at + 1);
    char second = letter(at + 2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
    bool two = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
    return two ? 3 : 0;
  }

  // \s+(?!\S)|\s+ for a run of white space [at, end): all of it at the end of the text, else all but its last
  // character, which may belong to the next word; a single character stands alone.
  std::size_t space_run(std::size_t at, std::size_t end) const {
    if (end == text_.size()) return end;
    std::size_t last = character_before(text_, end);
    return last > at ? last : end;
  }

  // \s*[\r\n]+|\s+(?!\S)|\s+ : white space up to its last line break, else as space_run. At white space only.
  std::size_t lines_or_space(std::size_t at) const {
    std::size_t after_last_break = at;
    std::size_t position = at;
    std::size_t end = skip(at, [&](const PieceCharacter& c) {
      position += c.bytes;
      if (c.is_line_break()) after_last_break = position;
      return c.is(kSpaces);
    });
    return after_last_break > at ? after_last_break : space_run(at, end);
  }

  std::string_view cut(std::size_t end) {
    std::string_view piece = text_.substr(at_, end - at_);
    at_ = end;
    return piece;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// Emits what `match_end` matches and what is between, in order. match_end(scanner, at) is the end of the match at `at`,
// or `at` when there is none; it must not look far without matching.
template <class MatchEnd>
void split_at_matches(std::string_view text, MatchEnd&& match_end, const EmitPiece& emit) {
  PieceScanner scanner(text);
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = match_end(scanner, at);
    if (end == at) {
      at += scanner.look(at).bytes;
      continue;
    }
    if (at > scanner.at()) emit(scanner.cut(at));
    emit(scanner.cut(end));
    at = end;
  }
  if (!scanner.done()) emit(scanner.cut(text.size()));
}

// Splitters that need more than a few lines; split_text knows which is which.
void split_gpt2(std::string_view text, const EmitPiece& emit);
void split_smollm(std::string_view text, const EmitPiece& emit);
void split_default(std::string_view text, const EmitPiece& emit);
void split_falcon(std::string_view text, const EmitPiece& emit);
void split_llama3(std::string_view text, int numbers_max, const EmitPiece& emit);
void split_qwen35(std::string_view text, const EmitPiece& emit);
void split_tekken(std::string_view text, const EmitPiece& emit);
void split_gpt4o(std::string_view text, const EmitPiece& emit);
void split_deepseek3(std::string_view text, const EmitPiece& emit);
void split_deepseek_coder(std::string_view text, const EmitPiece& emit);

}  // namespace troupe
