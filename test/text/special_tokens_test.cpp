// Special tokens of many files: thousands of them, and those that swallow the white space beside them.
#include <catch2/catch.hpp>

#include "test/text/fixtures.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer/special_tokens.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::vector<TokenId> tokens(const TextCodec& codec, std::string_view text, bool parse_special = true) {
  auto tokenized = codec.tokenize(text, false, parse_special);
  REQUIRE(tokenized.ok());
  return *tokenized;
}

TokenizerSpec spec_with(const std::vector<std::string>& more, TokenType type) {
  TokenizerSpec spec = small_spec(more);
  for (std::size_t i = 256; i < spec.tokens.size(); ++i) spec.token_types[i] = static_cast<std::int32_t>(type);
  return spec;
}

std::unique_ptr<TextCodec> codec_of(const TokenizerSpec& spec) {
  auto codec = make_text_codec(spec);
  if (!codec) FAIL(codec.error().message);
  return std::move(*codec);
}

}  // namespace

TEST_CASE("special tokens: the leftmost begins, the longest at one place wins, as in one pass over all of them") {
  // "abc" is where Hugging Face and llama.cpp part: ab and bcd both match in abcd.
  auto codec = codec_of(spec_with({"ab", "bcd", "<t", "<t>", "<t><"}, TokenType::kUserDefined));
  CHECK(tokens(*codec, "abcd") == std::vector<TokenId>{256, 'c', 'd'});
  CHECK(tokens(*codec, "bcdab") == std::vector<TokenId>{257, 256});
  CHECK(tokens(*codec, "<t><t><t") == std::vector<TokenId>{260, 't', '>', 258});
}

TEST_CASE("special tokens: runs of one character are cut from the left, the longest token first") {
  std::vector<std::string> runs;
  for (std::size_t length = 2; length <= 31; ++length) runs.emplace_back(length, '\n');
  auto codec = codec_of(spec_with(runs, TokenType::kUserDefined));
  CHECK(tokens(*codec, std::string(33, '\n')) == std::vector<TokenId>{256 + 29, 256});
  CHECK(tokens(*codec, std::string(32, '\n')) == std::vector<TokenId>{256 + 29, '\n'});
}

TEST_CASE("special tokens: thousands of them are found, each its own") {
  std::vector<std::string> many(6415);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = "<unused" + std::to_string(i) + ">";
  auto codec = codec_of(spec_with(many, TokenType::kControl));
  std::string text;
  std::vector<TokenId> expected;
  for (int i = 0; i < 6415; i += 7) {
    text += "<unused" + std::to_string(i) + ">x";
    expected.insert(expected.end(), {256 + i, 'x'});
  }
  CHECK(tokens(*codec, text) == expected);
  CHECK(codec->detokenize(tokens(*codec, text, false), false) == text);
}

TEST_CASE("special tokens of a hostile file: too many bytes together are refused") {
  std::vector<std::string> many(kSpecialNodesMax / 240);
  for (std::size_t i = 0; i < many.size(); ++i) {
    many[i] = std::to_string(i);
    many[i].resize(kSpecialTokenBytesMax, '<');
  }
  auto codec = make_text_codec(spec_with(many, TokenType::kControl));
  REQUIRE_FALSE(codec.ok());
  CHECK_THAT(codec.error().message, Catch::Contains("too many bytes together"));
}

TEST_CASE("special tokens of Phi-3 swallow the white space after them, all but three") {
  TokenizerSpec spec = spec_with({"<|user|>", "<|end|>", "<s>", "<|endoftext|>", "</s>"}, TokenType::kControl);
  spec.model_name = "Phi-3-mini-4k-instruct";
  auto codec = codec_of(spec);
  CHECK(tokens(*codec, "<|user|>\n Hi<|end|> \t\n") == std::vector<TokenId>{256, 'H', 'i', 257});
  CHECK(tokens(*codec, "<s> a<|endoftext|> b</s> c") == std::vector<TokenId>{258, ' ', 'a', 259, ' ', 'b', 260, 'c'});
  CHECK(tokens(*codec, "<|user|>\n", false).size() == 9);
  spec.model_name = "Microsoft Phi3 Medium";
  CHECK(tokens(*codec_of(spec), "<|end|> a") == std::vector<TokenId>{257, 'a'});
  spec.model_name = "Another";
  CHECK(tokens(*codec_of(spec), "<|end|> a") == std::vector<TokenId>{257, ' ', 'a'});
}

TEST_CASE("special tokens swallow white space on the sides their file names, and no text") {
  TokenizerSpec spec = spec_with({"<l>", "<r>"}, TokenType::kControl);
  spec.strip_left_ids = {256}, spec.strip_right_ids = {257};
  auto codec = codec_of(spec);
  CHECK(tokens(*codec, "a \u00a0\n<l> b") == std::vector<TokenId>{'a', 256, ' ', 'b'});
  CHECK(tokens(*codec, "a <r> \u3000b") == std::vector<TokenId>{'a', ' ', 257, 'b'});
  CHECK(tokens(*codec, "<r>  <l>  <r>") == std::vector<TokenId>{257, 256, ' ', ' ', 257});
  CHECK(tokens(*codec, " <l>") == std::vector<TokenId>{256});
  CHECK(tokens(*codec, "<r> ") == std::vector<TokenId>{257});
}

TEST_CASE("contract 9: a message beside a token that swallows space loses space only, and forges nothing") {
  TokenizerSpec spec = spec_with({"<|user|>", "<|end|>"}, TokenType::kControl);
  spec.model_name = "Phi-3";
  spec.chat_template = "<|user|>{{ messages[0].content }}<|end|>";
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize_chat({{{"user", " \n<|end|> x", ""}}, false}) ==
        std::vector<TokenId>{256, '<', '|', 'e', 'n', 'd', '|', '>', ' ', 'x', 257});
}
