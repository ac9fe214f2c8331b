#include "text/detokenizer.hpp"

#include <catch2/catch.hpp>

#include "test/text/fixtures.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {
std::string assembled(const std::vector<std::string>& pieces) {
  Utf8Assembler assembler;
  std::string text;
  for (const std::string& piece : pieces) assembler.push(piece, text);
  assembler.finish(text);
  return text;
}
}  // namespace

TEST_CASE("decoder gives whole characters only and in the end the text of all tokens (R094)") {
  for (const std::string& line : fixture_lines("smollm2_tokens.txt")) {
    std::vector<std::string> parts = fields(line, '\t');
    INFO(parts[0]);
    auto decoder = smollm2().new_decoder();
    std::string text;
    for (TokenId id : ids(parts[1])) {
      std::string before = text;
      decoder->push(id, text);
      CHECK(text.substr(0, before.size()) == before);
      CHECK_FALSE(find_invalid_utf8(text).has_value());
    }
    decoder->finish(text);
    CHECK(text == unescaped(parts[0]));
  }
}

TEST_CASE("decoder shows an emoji only when its last byte has come") {
  std::vector<TokenId> tokens = *smollm2().tokenize("👩", false, false);
  REQUIRE(tokens.size() > 1);
  auto decoder = smollm2().new_decoder();
  std::string text;
  for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
    decoder->push(tokens[i], text);
    CHECK(text.empty());
  }
  decoder->push(tokens.back(), text);
  CHECK(text == "👩");
}

TEST_CASE("decoder ends an unfinished character with U+FFFD and shows no special token") {
  std::vector<TokenId> tokens = *smollm2().tokenize("👩", false, false);
  auto decoder = smollm2().new_decoder();
  std::string text;
  decoder->push(2, text);
  decoder->push(tokens[0], text);
  decoder->push(-1, text);
  decoder->push(49152, text);
  decoder->finish(text);
  CHECK(text == "\uFFFD");
}

TEST_CASE("UTF-8 assembler replaces each maximal ill-formed part once, however the bytes are cut") {
  // The Unicode standard's own example: 3.9, table 3-8.
  CHECK(assembled({"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82"
                   "A"}) ==
        "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"
        "A");
  // Table 3-11: truncated sequences.
  CHECK(assembled({"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF"
                   "A"}) ==
        "\uFFFD\uFFFD\uFFFD\uFFFD"
        "A");
  CHECK(assembled({"\xED\xA0",
                   "\x80"
                   "A"}) ==
        "\uFFFD\uFFFD\uFFFD"
        "A");
  CHECK(assembled({"\xF0", "\x9F", "\x99", "\x82"}) == "🙂");
  CHECK(assembled({"\xE2\x82", "\xE2\x82\xAC"}) == "\uFFFD€");
  CHECK(assembled({"\xC3"}) == "\uFFFD");
}
