// The expression of GPT-2, and the splitters that cut something off first or afterwards.
#include "text/tokenizer/piece_scanner.hpp"

namespace troupe {

namespace {

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::size_t gpt2_piece_end(const PieceScanner& text) {
  std::size_t at = text.at();
  if (std::size_t length = text.contraction(at, false)) return at + length;
  PieceCharacter first = text.look(at);
  std::size_t body = at;
  if (first.value == ' ') {
    PieceCharacter next = text.look(at + 1);
    if (next.bytes > 0 && !next.is(kSpaces)) first = next, body = at + 1;
  }
  if (first.is(kSpaces)) return text.space_run(at, text.skip_kinds(at, kSpaces));
  return text.skip_kinds(body, first.is(kLetters) ? kLetters : first.is(kNumbers) ? kNumbers : kSymbols);
}

bool is_ascii_digit(const PieceCharacter& c) { return c.value >= '0' && c.value <= '9'; }

// [0-9][0-9][0-9]
std::size_t digit_triple_end(const PieceScanner& text, std::size_t at) {
  for (std::size_t end = at; end < at + 3; ++end) {
    if (PieceCharacter c = text.look(end); !is_ascii_digit(c)) return at;
  }
  return at + 3;
}

// [\p{P}$+<=>^~|], and ` for Falcon.
bool is_punctuation(const PieceCharacter& c, bool with_backtick) {
  return c.is(kPunctuations) || c.value == '$' || c.value == '+' || c.value == '<' || c.value == '=' ||
         c.value == '>' || c.value == '^' || c.value == '~' || c.value == '|' || (with_backtick && c.value == '`');
}

void split_punctuation_off(std::string_view text, bool with_backtick, const EmitPiece& emit_rest,
                           const EmitPiece& emit_punctuation) {
  auto is_one = [=](const PieceCharacter& c) { return is_punctuation(c, with_backtick); };
  for (PieceScanner scanner(text); !scanner.done();) {
    std::size_t end = scanner.skip(scanner.at(), [&](const PieceCharacter& c) { return !is_one(c); });
    if (end > scanner.at()) emit_rest(scanner.cut(end));
    end = scanner.skip(scanner.at(), is_one);
    if (end > scanner.at()) emit_punctuation(scanner.cut(end));
  }
}

}  // namespace

void split_gpt2(std::string_view text, const EmitPiece& emit) {
  for (PieceScanner scanner(text); !scanner.done();) emit(scanner.cut(gpt2_piece_end(scanner)));
}

// \p{N}, then GPT-2. Each part is matched in isolation: a space before a number ends its part.
void split_smollm(std::string_view text, const EmitPiece& emit) {
  for (PieceScanner scanner(text); !scanner.done();) {
    std::size_t end = scanner.skip(scanner.at(), [](const PieceCharacter& c) { return !c.is(kNumbers); });
    if (end > scanner.at()) split_gpt2(scanner.cut(end), emit);
    if (!scanner.done()) emit(scanner.cut(end + scanner.look(end).bytes));
  }
}

// [\p{P}$+<=>^~|]+, then GPT-2, then \p{N}+, then [0-9][0-9][0-9].
void split_default(std::string_view text, const EmitPiece& emit) {
  EmitPiece triples = [&](std::string_view piece) { split_at_matches(piece, digit_triple_end, emit); };
  auto numbers_end = [](const PieceScanner& piece, std::size_t at) { return piece.skip_kinds(at, kNumbers); };
  EmitPiece numbers_apart = [&](std::string_view piece) { split_at_matches(piece, numbers_end, triples); };
  EmitPiece words = [&](std::string_view part) { split_gpt2(part, numbers_apart); };
  split_punctuation_off(text, false, words, emit);
}

// [\p{P}$+<=>^~|`]+, then GPT-2, then [0-9][0-9][0-9].
void split_falcon(std::string_view text, const EmitPiece& emit) {
  EmitPiece triples = [&](std::string_view piece) { split_at_matches(piece, digit_triple_end, emit); };
  EmitPiece words = [&](std::string_view part) { split_gpt2(part, triples); };
  split_punctuation_off(text, true, words, emit);
}

}  // namespace troupe
