// The expressions that descend from that of cl100k: Llama 3, Qwen, and those that see upper and lower case.
#include "text/tokenizer/piece_scanner.hpp"

namespace troupe {

namespace {

constexpr KindSet kMarkedLetters = kLetters | kMarks;

// [^\r\n\p{L}\p{N}]: what may stand before a word and belong to it.
bool may_lead(const PieceCharacter& c) { return c.bytes > 0 && !c.is(kLetters | kNumbers) && !c.is_line_break(); }

//  ?[^\s\p{L}\p{N}]+ with the symbols given; `at` itself when there is no such.
std::size_t symbols_end(const PieceScanner& text, std::size_t at, KindSet symbols) {
  std::size_t body = text.look(at).value == ' ' ? at + 1 : at;
  std::size_t end = text.skip_kinds(body, symbols);
  return end > body ? end : at;
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?W+|\p{N}{1,numbers_max}| ?S+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// with W the letters (or letters and marks) and S what is neither, nor a number or space.
std::size_t llama3_piece_end(const PieceScanner& text, KindSet letters, KindSet symbols, int numbers_max) {
  std::size_t at = text.at();
  if (std::size_t length = text.contraction(at, true)) return at + length;
  PieceCharacter first = text.look(at);
  if (first.is(letters)) return text.skip_kinds(at, letters);
  if (may_lead(first) && text.look(at + first.bytes).is(letters)) return text.skip_kinds(at + first.bytes, letters);
  if (first.is(kNumbers)) return text.skip_numbers(at, numbers_max);
  if (std::size_t end = symbols_end(text, at, symbols); end > at) return text.skip_line_breaks(end);
  return text.lines_or_space(at);
}

// U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and W = [\p{Ll}\p{Lm}\p{Lo}\p{M}] share what has no case.
constexpr KindSet kBoth = kinds(CharacterKind::kCaseless, CharacterKind::kMark);
constexpr KindSet kUppers = kBoth | kinds(CharacterKind::kUpper);
constexpr KindSet kLowers = kBoth | kinds(CharacterKind::kLower);

// U*W+ at `at`; `at` itself when there is no match. When no lower letter follows the run of U, that run gives back what
// is behind the last character of it that is a W too.
std::size_t lower_word_end(const PieceScanner& text, std::size_t at) {
  std::size_t after_last_both = at;
  std::size_t position = at;
  std::size_t end = text.skip(at, [&](const PieceCharacter& c) {
    position += c.bytes;
    if (c.is(kBoth)) after_last_both = position;
    return c.is(kUppers);
  });
  return text.look(end).is(kLowers) ? text.skip_kinds(end, kLowers) : after_last_both;
}

// U+W* at `at`, where U*W+ does not match.
std::size_t upper_word_end(const PieceScanner& text, std::size_t at) { return text.skip_kinds(at, kUppers); }

// [^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*; `at` when there is no match. Only a mark can be both what leads and a
// part of the word, and then U*W+ matches without a leader, if not with one.
std::size_t cased_word_end(const PieceScanner& text, std::size_t at) {
  PieceCharacter first = text.look(at);
  for (auto word_end : {lower_word_end, upper_word_end}) {
    std::size_t body = may_lead(first) ? at + first.bytes : at;
    if (std::size_t end = word_end(text, body); end > body) return end;
    if (body > at && first.is(kMarks)) return word_end(text, at);
  }
  return at;
}

//   WORD CONTRACTION?|\p{N}{1,numbers_max}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
std::size_t cased_piece_end(const PieceScanner& text, bool with_contractions, int numbers_max) {
  std::size_t at = text.at();
  if (std::size_t end = cased_word_end(text, at); end > at) {
    return with_contractions ? end + text.contraction(end, true) : end;
  }
  if (text.look(at).is(kNumbers)) return text.skip_numbers(at, numbers_max);
  if (std::size_t end = symbols_end(text, at, kSymbols); end > at) {
    return text.skip(end, [](const PieceCharacter& c) { return c.is_line_break() || c.value == '/'; });
  }
  return text.lines_or_space(at);
}

}  // namespace

void split_llama3(std::string_view text, int numbers_max, const EmitPiece& emit) {
  for (PieceScanner scanner(text); !scanner.done();) {
    emit(scanner.cut(llama3_piece_end(scanner, kLetters, kSymbols, numbers_max)));
  }
}

void split_qwen35(std::string_view text, const EmitPiece& emit) {
  for (PieceScanner scanner(text); !scanner.done();) {
    emit(scanner.cut(llama3_piece_end(scanner, kMarkedLetters, kUnmarkedSymbols, 1)));
  }
}

void split_tekken(std::string_view text, const EmitPiece& emit) {
  for (PieceScanner scanner(text); !scanner.done();) emit(scanner.cut(cased_piece_end(scanner, false, 1)));
}

void split_gpt4o(std::string_view text, const EmitPiece& emit) {
  for (PieceScanner scanner(text); !scanner.done();) emit(scanner.cut(cased_piece_end(scanner, true, 3)));
}

}  // namespace troupe
