// Text of any shape takes time in proportion to its length: four times the text at most ten times as long
// (sixteen would be quadratic; caches and the machine's other work take their part).
#include <algorithm>
#include <catch2/catch.hpp>
#include <ctime>

#include "test/text/fixtures.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer_json/tokenizer_json.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

// Less than this is noise; what is quadratic takes far longer at the sizes below.
constexpr double kNoiseSeconds = 0.005;

// Of this process, so that others on the machine do not count.
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double seconds_of(const TextCodec& codec, const std::string& text) {
  double best = 1e9;
  for (int round = 0; round < 2; ++round) {
    double begin = cpu_seconds();
    auto tokens = codec.tokenize(text, false, true);
    best = std::min(best, cpu_seconds() - begin);
    REQUIRE(tokens.ok());
    REQUIRE(codec.detokenize(*tokens, true) == text);
  }
  return best;
}

std::string repeated(const std::string& unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  return text;
}

void require_linear(const std::string& unit, std::size_t bytes, const TextCodec& codec = smollm2()) {
  double quarter = std::max(seconds_of(codec, repeated(unit, bytes / 4)), kNoiseSeconds);
  INFO(unit.substr(0, 40) << ": a quarter takes " << quarter << " s");
  CHECK(seconds_of(codec, repeated(unit, bytes)) < 10 * quarter);
}

std::string english() {
  std::string longest;
  for (const std::string& line : fixture_lines("smollm2_tokens.txt")) {
    std::string text = unescaped(fields(line, '\t')[0]);
    if (text.size() > longest.size()) longest = text;
  }
  REQUIRE(longest.size() > 1000);
  return longest;
}

const char* const kCode = "for (int i = 0; i < count; ++i) {\n\ttotal += values[i] * weights[i];\n}\n";
const char* const kChinese = "服务器同时回答许多请求。每一步都有一个调度器决定哪些序列参加。";

// What a splitter may look far ahead at, and what special tokens may begin with.
const char* const kHostile[] = {"a",  "A",   "=",  " ",   "\n",     " \n ", "1",           "\u0301",
                                "日", "日A", "'s", "!\n", "\u0004", " 日",  "<|im_start|", "<"};

std::unique_ptr<TextCodec> made(Result<TokenizerSpec> spec) {
  if (!spec) FAIL(spec.error().message);
  auto codec = make_text_codec(std::move(*spec));
  if (!codec) FAIL(codec.error().message);
  return std::move(*codec);
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

TEST_CASE("tokenizing a megabyte of English, code or Chinese takes linear time") {
  require_linear(english(), 1 << 20);
  require_linear(kCode, 1 << 19);
  require_linear(kChinese, 1 << 19);
}

TEST_CASE("SentencePiece: a megabyte of English, code, Chinese or one letter in one stretch takes linear time") {
  auto codec = made(sentence_piece_fixture("spm_prefix.txt").spec);
  require_linear("a", 1 << 20, *codec);
  for (const std::string& unit : {english(), std::string(kCode), std::string(kChinese)}) {
    require_linear(unit, 1 << 18, *codec);
  }
  for (const char* unit : kHostile) require_linear(unit, 1 << 15, *codec);
}

TEST_CASE("BPE over characters: a megabyte of English, code, Chinese or one letter in one stretch takes linear time") {
  auto codec = made(read_tokenizer_json(fixture_lines("tokenizer_llama2.json").at(0), ""));
  require_linear("a", 1 << 20, *codec);
  for (const std::string& unit : {english(), std::string(kCode), std::string(kChinese)}) {
    require_linear(unit, 1 << 18, *codec);
  }
  for (const char* unit : kHostile) require_linear(unit, 1 << 15, *codec);
}

TEST_CASE("every pre-tokenizer takes linear time on what it may look far ahead at") {
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35", "tekken", "gpt-4o", "deepseek-v3",
                          "deepseek-coder", "falcon", "default"}) {
    TokenizerSpec spec = small_spec({"aa", "aaaa"});
    spec.pre = pre;
    spec.merges = {"a a", "aa aa"};
    auto codec = made(spec);
    INFO(pre);
    for (const char* unit : kHostile) require_linear(unit, 1 << 14, *codec);
  }
}

TEST_CASE("special tokens that swallow white space take linear time beside much of it") {
  TokenizerSpec spec = small_spec({"<l>", "<r>"});
  spec.token_types[256] = spec.token_types[257] = static_cast<std::int32_t>(TokenType::kControl);
  spec.strip_left_ids = {256}, spec.strip_right_ids = {257};
  auto codec = made(spec);
  double seconds[2];
  for (std::size_t i = 0; i < 2; ++i) {
    std::string text = repeated("<r>", 1U << (14 + 2 * i)) + std::string(std::size_t{1} << (16 + 2 * i), ' ') +
                       repeated("<l>", 1U << (14 + 2 * i));
    double begin = cpu_seconds();
    REQUIRE(codec->tokenize(text, false, true).ok());
    seconds[i] = cpu_seconds() - begin;
  }
  CHECK(seconds[1] < 10 * std::max(seconds[0], kNoiseSeconds));
}
