#include "text/tokenizer/pre_tokenizer.hpp"

#include "text/character_class.hpp"
#include "text/utf8.hpp"

namespace troupe {

namespace {

using enum CharacterClass;

struct NamedRules {
  std::string_view name;
  PreTokenizerRules rules;
};

// Names as llama.cpp's converter writes them.
constexpr NamedRules kRules[] = {
    {"", {Splitter::kDefault, false, false}},          {"default", {Splitter::kDefault, false, false}},
    {"gpt-2", {Splitter::kGpt2, false, false}},        {"gpt2", {Splitter::kGpt2, false, false}},
    {"phi-2", {Splitter::kGpt2, false, false}},        {"mpt", {Splitter::kGpt2, false, false}},
    {"olmo", {Splitter::kGpt2, false, false}},         {"exaone4", {Splitter::kGpt2, false, false}},
    {"smollm", {Splitter::kSmolLm, false, false}},     {"starcoder", {Splitter::kSmolLm, false, false}},
    {"refact", {Splitter::kSmolLm, false, false}},     {"command-r", {Splitter::kSmolLm, false, false}},
    {"codeshell", {Splitter::kSmolLm, false, false}},  {"exaone", {Splitter::kSmolLm, false, false}},
    {"minerva-7b", {Splitter::kSmolLm, false, false}}, {"llama3", {Splitter::kLlama3, true, true}},
    {"llama-v3", {Splitter::kLlama3, true, true}},     {"llama-bpe", {Splitter::kLlama3, true, true}},
    {"falcon3", {Splitter::kLlama3, true, true}},      {"pixtral", {Splitter::kLlama3, true, true}},
    {"dbrx", {Splitter::kLlama3, false, false}},       {"smaug-bpe", {Splitter::kLlama3, false, false}},
    {"qwen2", {Splitter::kQwen2, false, false}},       {"deepseek-r1-qwen", {Splitter::kQwen2, false, false}},
    {"stablelm2", {Splitter::kQwen2, false, false}},   {"megrez", {Splitter::kQwen2, false, false}},
};

struct Character {
  char32_t value = 0;
  std::uint32_t bytes = 0;
  CharacterClass kind = kOther;

  bool is_symbol() const { return kind == kOther || kind == kPunctuation; }
  bool is_line_break() const { return value == '\r' || value == '\n'; }
};

// A text and how much of it has been cut off.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool done() const { return at_ == text_.size(); }
  bool ends_at(std::size_t at) const { return at == text_.size(); }
  std::size_t at() const { return at_; }

  // The character at `at`; one of no bytes at the end of the text.
  Character look(std::size_t at) const {
    if (at >= text_.size()) return {};
    CodePoint c = code_point_at(text_, at);
    return {c.value, c.bytes, class_of(c.value)};
  }

  // The first place from `at` whose character does not satisfy `predicate`.
  template <class Predicate>
  std::size_t skip(std::size_t at, Predicate&& predicate) const {
    for (Character c = look(at); c.bytes > 0 && predicate(c); c = look(at)) at += c.bytes;
    return at;
  }
  std::size_t skip_class(std::size_t at, CharacterClass kind) const {
    return skip(at, [kind](const Character& c) { return c.kind == kind; });
  }
  std::size_t skip_symbols(std::size_t at) const {
    return skip(at, [](const Character& c) { return c.is_symbol(); });
  }

  // Length of 's 't 're 've 'm 'll 'd at `at`, 0 when there is none.
  std::size_t contraction(std::size_t at, bool any_case) const {
    if (text_[at] != '\'') return 0;
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
    if (ends_at(end)) return end;
    std::size_t last = character_before(text_, end);
    return last > at ? last : end;
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

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
std::size_t gpt2_piece_end(const Scanner& text) {
  std::size_t at = text.at();
  if (std::size_t length = text.contraction(at, false)) return at + length;
  Character first = text.look(at);
  std::size_t body = at;
  if (first.value == ' ') {
    Character next = text.look(at + 1);
    if (next.bytes > 0 && next.kind != kSpace) first = next, body = at + 1;
  }
  if (first.kind == kSpace) return text.space_run(at, text.skip_class(at, kSpace));
  return first.is_symbol() ? text.skip_symbols(body) : text.skip_class(body, first.kind);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,numbers_max}
//   | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
std::size_t llama3_piece_end(const Scanner& text, int numbers_max) {
  std::size_t at = text.at();
  if (std::size_t length = text.contraction(at, true)) return at + length;
  Character first = text.look(at);
  Character second = text.look(at + first.bytes);
  if (first.kind == kLetter) return text.skip_class(at, kLetter);
  if (first.kind == kNumber) {
    int count = 0;
    return text.skip(at, [&](const Character& c) { return c.kind == kNumber && count++ < numbers_max; });
  }
  bool second_exists = second.bytes > 0;
  if (!first.is_line_break() && second_exists && second.kind == kLetter)
    return text.skip_class(at + first.bytes, kLetter);
  if (first.is_symbol() || (first.value == ' ' && second_exists && second.is_symbol())) {
    std::size_t end = text.skip_symbols(first.is_symbol() ? at : at + 1);
    return text.skip(end, [](const Character& c) { return c.is_line_break(); });
  }
  std::size_t after_last_break = at;
  std::size_t position = at;
  std::size_t end = text.skip(at, [&](const Character& c) {
    position += c.bytes;
    if (c.kind == kSpace && c.is_line_break()) after_last_break = position;
    return c.kind == kSpace;
  });
  return after_last_break > at ? after_last_break : text.space_run(at, end);
}

void split_gpt2(std::string_view text, const EmitPiece& emit) {
  for (Scanner scanner(text); !scanner.done();) emit(scanner.cut(gpt2_piece_end(scanner)));
}

void split_llama3(std::string_view text, int numbers_max, const EmitPiece& emit) {
  for (Scanner scanner(text); !scanner.done();) emit(scanner.cut(llama3_piece_end(scanner, numbers_max)));
}

// \p{N}, then kGpt2. Each part is matched in isolation: a space before a number ends its part.
void split_smollm(std::string_view text, const EmitPiece& emit) {
  for (Scanner scanner(text); !scanner.done();) {
    std::size_t end = scanner.skip(scanner.at(), [](const Character& c) { return c.kind != kNumber; });
    if (end > scanner.at()) split_gpt2(scanner.cut(end), emit);
    if (!scanner.done()) emit(scanner.cut(end + scanner.look(end).bytes));
  }
}

bool is_default_punctuation(const Character& c) {
  return c.kind == kPunctuation || c.value == '$' || c.value == '+' || c.value == '<' || c.value == '=' ||
         c.value == '>' || c.value == '^' || c.value == '~' || c.value == '|';
}

// [0-9][0-9][0-9] within a run of numbers; what is between are pieces too.
void split_digit_triples(std::string_view numbers, const EmitPiece& emit) {
  std::size_t begin = 0;
  std::size_t digits = 0;
  for (std::size_t at = 0; at < numbers.size(); ++at) {
    digits = numbers[at] >= '0' && numbers[at] <= '9' ? digits + 1 : 0;
    if (digits < 3) continue;
    std::size_t triple = at - 2;
    if (triple > begin) emit(numbers.substr(begin, triple - begin));
    emit(numbers.substr(triple, 3));
    begin = at + 1, digits = 0;
  }
  if (begin < numbers.size()) emit(numbers.substr(begin));
}

// [\p{P}$+<=>^~|]+, then kGpt2, then \p{N}+, then [0-9][0-9][0-9].
void split_default(std::string_view text, const EmitPiece& emit) {
  auto emit_numbers_apart = [&](std::string_view piece) {
    for (Scanner scanner(piece); !scanner.done();) {
      std::size_t end = scanner.skip(scanner.at(), [](const Character& c) { return c.kind != kNumber; });
      if (end > scanner.at()) emit(scanner.cut(end));
      end = scanner.skip_class(scanner.at(), kNumber);
      if (end > scanner.at()) split_digit_triples(scanner.cut(end), emit);
    }
  };
  EmitPiece numbers_apart = emit_numbers_apart;
  for (Scanner scanner(text); !scanner.done();) {
    std::size_t end = scanner.skip(scanner.at(), [](const Character& c) { return !is_default_punctuation(c); });
    if (end > scanner.at()) split_gpt2(scanner.cut(end), numbers_apart);
    end = scanner.skip(scanner.at(), is_default_punctuation);
    if (end > scanner.at()) emit(scanner.cut(end));
  }
}

}  // namespace

std::optional<PreTokenizerRules> find_pre_tokenizer(std::string_view pre) {
  for (const NamedRules& named : kRules) {
    if (named.name == pre) return named.rules;
  }
  return std::nullopt;
}

void split_text(Splitter splitter, std::string_view text, const EmitPiece& emit) {
  switch (splitter) {
    case Splitter::kGpt2:
      return split_gpt2(text, emit);
    case Splitter::kSmolLm:
      return split_smollm(text, emit);
    case Splitter::kLlama3:
      return split_llama3(text, 3, emit);
    case Splitter::kQwen2:
      return split_llama3(text, 1, emit);
    case Splitter::kDefault:
      return split_default(text, emit);
  }
}

}  // namespace troupe
