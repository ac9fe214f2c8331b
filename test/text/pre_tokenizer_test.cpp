#include "text/tokenizer/pre_tokenizer.hpp"

#include <catch2/catch.hpp>

#include "test/text/fixtures.hpp"
#include "text/character_class.hpp"

using namespace troupe;
using namespace troupe::test;
using Pieces = std::vector<std::string>;

namespace {
Pieces pieces(Splitter splitter, std::string_view text) {
  Pieces out;
  split_text(splitter, text, [&](std::string_view piece) { out.emplace_back(piece); });
  return out;
}
}  // namespace

TEST_CASE("pre-tokenizers cut random texts as the published expressions do") {
  std::size_t cases = 0;
  for (const std::string& line : fixture_lines("splits.txt")) {
    std::vector<std::string> parts = fields(line, '\t');
    REQUIRE(parts.size() >= 2);
    Pieces expected;
    for (std::size_t i = 2; i < parts.size(); ++i) expected.push_back(unescaped(parts[i]));
    INFO(line);
    CHECK(pieces(find_pre_tokenizer(parts[0])->splitter, unescaped(parts[1])) == expected);
    ++cases;
  }
  REQUIRE(cases > 500);
}

TEST_CASE("pre-tokenizers cut words, contractions and numbers each in its own way") {
  const char* text = "I'LL we'll  see 1234567";
  CHECK(pieces(Splitter::kSmolLm, text) ==
        Pieces{"I", "'", "LL", " we", "'ll", " ", " see", " ", "1", "2", "3", "4", "5", "6", "7"});
  CHECK(pieces(Splitter::kGpt2, text) == Pieces{"I", "'", "LL", " we", "'ll", " ", " see", " 1234567"});
  CHECK(pieces(Splitter::kLlama3, text) == Pieces{"I", "'LL", " we", "'ll", " ", " see", " ", "123", "456", "7"});
  CHECK(pieces(Splitter::kQwen2, text) ==
        Pieces{"I", "'LL", " we", "'ll", " ", " see", " ", "1", "2", "3", "4", "5", "6", "7"});
  CHECK(pieces(Splitter::kDefault, text) ==
        Pieces{"I", "'", "LL", " we", "'", "ll", " ", " see", " ", "123", "456", "7"});
}

TEST_CASE("pre-tokenizers leave the last space of a run to the next word") {
  const char* text = "a  b   \n\n c\t\td";
  Pieces gpt2{"a", " ", " b", "   \n\n", " c", "\t", "\t", "d"};
  Pieces llama3{"a", " ", " b", "   \n\n", " c", "\t", "\td"};
  CHECK(pieces(Splitter::kSmolLm, text) == gpt2);
  CHECK(pieces(Splitter::kGpt2, text) == gpt2);
  CHECK(pieces(Splitter::kDefault, text) == gpt2);
  CHECK(pieces(Splitter::kLlama3, text) == llama3);
  CHECK(pieces(Splitter::kQwen2, text) == llama3);
  for (Splitter s : {Splitter::kSmolLm, Splitter::kGpt2, Splitter::kLlama3, Splitter::kQwen2, Splitter::kDefault}) {
    CHECK(pieces(s, "x\r\n y ") == Pieces{"x", "\r\n", " y", " "});
  }
}

TEST_CASE("pre-tokenizers cut mixed scripts") {
  const char* text = "  3.14,é日本語 ½٣";
  CHECK(pieces(Splitter::kSmolLm, text) == Pieces{"  ", "3", ".", "1", "4", ",", "é日本語", " ", "½", "٣"});
  CHECK(pieces(Splitter::kGpt2, text) == Pieces{" ", " 3", ".", "14", ",", "é日本語", " ½٣"});
  CHECK(pieces(Splitter::kLlama3, text) == Pieces{" ", " ", "3", ".", "14", ",é日本語", " ", "½٣"});
  CHECK(pieces(Splitter::kQwen2, text) == Pieces{" ", " ", "3", ".", "1", "4", ",é日本語", " ", "½", "٣"});
  CHECK(pieces(Splitter::kDefault, text) == Pieces{" ", " ", "3", ".", "14", ",", "é日本語", " ", "½٣"});
}

TEST_CASE("pre-tokenizers cut punctuation and marks") {
  const char* stop = "don't\u00a0stop…(ok)!!\n";
  Pieces gpt2{"don", "'t", "\u00a0", "stop", "…(", "ok", ")!!", "\n"};
  Pieces llama3{"don", "'t", "\u00a0stop", "…(", "ok", ")!!\n"};
  CHECK(pieces(Splitter::kSmolLm, stop) == gpt2);
  CHECK(pieces(Splitter::kGpt2, stop) == gpt2);
  CHECK(pieces(Splitter::kLlama3, stop) == llama3);
  CHECK(pieces(Splitter::kQwen2, stop) == llama3);
  CHECK(pieces(Splitter::kDefault, stop) == Pieces{"don", "'", "t", "\u00a0", "stop", "…(", "ok", ")!!", "\n"});
  const char* marks = "e\u0301 \u3000z 'S";
  CHECK(pieces(Splitter::kGpt2, marks) == Pieces{"e", "\u0301", " ", "\u3000", "z", " '", "S"});
  CHECK(pieces(Splitter::kLlama3, marks) == Pieces{"e", "\u0301", " ", "\u3000z", " '", "S"});
  CHECK(pieces(Splitter::kDefault, marks) == Pieces{"e", "\u0301", " ", "\u3000", "z", " ", "'", "S"});
}

TEST_CASE("character classes know CJK extension I as letters") {
  CHECK(class_of(0x2EBF0) == CharacterClass::kLetter);
  CHECK(class_of(0x2EE5D) == CharacterClass::kLetter);
  CHECK(class_of(0x2EE5E) == CharacterClass::kOther);
  CHECK(class_of(0x10FFFF) == CharacterClass::kOther);
}
