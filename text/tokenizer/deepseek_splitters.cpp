// DeepSeek's splitters: several expressions, each applied to the pieces that the one before it left.
#include "text/tokenizer/piece_scanner.hpp"

namespace troupe {

namespace {

constexpr KindSet kWords = kLetters | kMarks;
constexpr KindSet kSigns = kinds(CharacterKind::kPunctuation, CharacterKind::kSymbol);

bool is_in(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }
bool is_ascii_letter(const PieceCharacter& c) { return is_in(c.value, 'A', 'Z') || is_in(c.value, 'a', 'z'); }
bool is_ascii_sign(const PieceCharacter& c) { return c.value < 0x80 && c.is(kSigns); }

// [一-龥぀-ゟ゠-ヿ]
bool is_cjk(const PieceCharacter& c) { return is_in(c.value, 0x4E00, 0x9FA5) || is_in(c.value, 0x3040, 0x30FF); }
// [一-龥ࠀ-一가-퟿]
bool is_far_eastern(const PieceCharacter& c) {
  return is_in(c.value, 0x0800, 0x9FA5) || is_in(c.value, 0xAC00, 0xD7FF);
}

// [!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
//   |\s*[\r\n]+|\s+(?!\S)|\s+
std::size_t deepseek3_match_end(const PieceScanner& text, std::size_t at) {
  PieceCharacter first = text.look(at);
  PieceCharacter second = text.look(at + first.bytes);
  if (is_ascii_sign(first) && is_ascii_letter(second)) return text.skip(at + 1, is_ascii_letter);
  if (first.is(kWords)) return text.skip_kinds(at, kWords);
  if (!first.is_line_break() && !first.is(kSigns) && second.is(kWords)) {
    return text.skip_kinds(at + first.bytes, kWords);
  }
  if (first.is(kSigns) || (first.value == ' ' && second.is(kSigns))) {
    return text.skip_line_breaks(text.skip_kinds(at + first.bytes, kSigns));
  }
  return first.is(kSpaces) ? text.lines_or_space(at) : at;
}

// \s?[set]+
std::size_t spaced_run_end(const PieceScanner& text, std::size_t at, KindSet set) {
  PieceCharacter first = text.look(at);
  std::size_t body = first.is(kSpaces) ? at + first.bytes : at;
  std::size_t end = text.skip_kinds(body, set);
  return end > body ? end : at;
}

}  // namespace

void split_deepseek3(std::string_view text, const EmitPiece& emit) {
  EmitPiece rest = [&](std::string_view piece) { split_at_matches(piece, deepseek3_match_end, emit); };
  auto cjk_end = [](const PieceScanner& piece, std::size_t at) { return piece.skip(at, is_cjk); };
  EmitPiece cjk_apart = [&](std::string_view piece) { split_at_matches(piece, cjk_end, rest); };
  auto numbers_end = [](const PieceScanner& piece, std::size_t at) { return piece.skip_numbers(at, 3); };
  split_at_matches(text, numbers_end, cjk_apart);
}

// [\r\n] ; \s?\p{L}+ ; \s?\p{P}+ ; [一-龥ࠀ-一가-퟿]+ ; \p{N}
void split_deepseek_coder(std::string_view text, const EmitPiece& emit) {
  auto number_end = [](const PieceScanner& piece, std::size_t at) { return piece.skip_numbers(at, 1); };
  EmitPiece numbers = [&](std::string_view piece) { split_at_matches(piece, number_end, emit); };
  auto east_end = [](const PieceScanner& piece, std::size_t at) { return piece.skip(at, is_far_eastern); };
  EmitPiece east = [&](std::string_view piece) { split_at_matches(piece, east_end, numbers); };
  auto signs_end = [](const PieceScanner& piece, std::size_t at) { return spaced_run_end(piece, at, kPunctuations); };
  EmitPiece signs = [&](std::string_view piece) { split_at_matches(piece, signs_end, east); };
  auto word_end = [](const PieceScanner& piece, std::size_t at) { return spaced_run_end(piece, at, kLetters); };
  EmitPiece words = [&](std::string_view piece) { split_at_matches(piece, word_end, signs); };
  auto break_end = [](const PieceScanner& piece, std::size_t at) {
    return piece.look(at).is_line_break() ? at + 1 : at;
  };
  split_at_matches(text, break_end, words);
}

}  // namespace troupe
