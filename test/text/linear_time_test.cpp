// Text of any shape takes time in proportion to its length: four times the text at most eight times as long.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>

#include "test/text/fixtures.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

double seconds_of(const std::string& text) {
  double best = 1e9;
  for (int round = 0; round < 2; ++round) {
    auto begin = std::chrono::steady_clock::now();
    auto tokens = smollm2().tokenize(text, false, true);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    REQUIRE(tokens.ok());
    REQUIRE(smollm2().detokenize(*tokens, true) == text);
  }
  return best;
}

std::string repeated(const std::string& unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

void require_linear(const std::string& unit, std::size_t bytes) {
  double quarter = std::max(seconds_of(repeated(unit, bytes / 4)), 0.0005);
  CHECK(seconds_of(repeated(unit, bytes)) < 8 * quarter);
}

}  // namespace

TEST_CASE("tokenizing one word of 26,000 equal letters is no attack") { require_linear("a", 26'000); }

TEST_CASE("tokenizing a megabyte of one letter takes linear time") { require_linear("a", 1 << 20); }

TEST_CASE("tokenizing a megabyte of one symbol, space or line break takes linear time") {
  require_linear("=", 1 << 18);
  require_linear(" ", 1 << 18);
  require_linear("\n", 1 << 18);
}

TEST_CASE("tokenizing beginnings of special tokens takes linear time") {
  require_linear("<|im_start|", 1 << 18);
  require_linear("<", 1 << 18);
}

TEST_CASE("tokenizing a megabyte of English takes linear time") {
  std::string english;
  for (const std::string& line : fixture_lines("smollm2_tokens.txt")) {
    std::string text = unescaped(fields(line, '\t')[0]);
    if (text.size() > english.size()) english = text;
  }
  REQUIRE(english.size() > 1000);
  require_linear(english, 1 << 20);
}
