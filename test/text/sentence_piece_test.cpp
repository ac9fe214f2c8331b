// SentencePiece's BPE, against the ids that the library itself gives (make_tokenizers.py), and what it leaves open.
#include <catch2/catch.hpp>
#include <limits>

#include "test/text/fixtures.hpp"
#include "text/text_codec.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::unique_ptr<TextCodec> codec_of(TokenizerSpec spec) {
  auto codec = make_text_codec(std::move(spec));
  if (!codec) FAIL(codec.error().message);
  return std::move(*codec);
}

// Ordinary tokens with scores, better first, behind <unk>, <s> and </s>.
TokenizerSpec sentence_piece_spec(const std::vector<std::string>& tokens) {
  TokenizerSpec spec;
  spec.model = "llama";
  spec.tokens = {"<unk>", "<s>", "</s>"};
  spec.token_types = {2, 3, 3};
  spec.scores = {0, 0, 0};
  for (const std::string& token : tokens) {
    spec.scores.push_back(-static_cast<float>(spec.tokens.size()));
    spec.tokens.push_back(token);
    spec.token_types.push_back(1);
  }
  spec.add_space_prefix = false;
  return spec;
}

void add_byte_tokens(TokenizerSpec& spec) {
  const std::string digits = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte) {
    spec.tokens.push_back(std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">");
    spec.token_types.push_back(6);
    spec.scores.push_back(0);
  }
}

}  // namespace

TEST_CASE("SentencePiece codec encodes random texts as the library does, and decodes them back") {
  for (const char* name : {"spm_prefix.txt", "spm_user.txt"}) {
    SentencePieceFixture fixture = sentence_piece_fixture(name);
    auto codec = codec_of(fixture.spec);
    REQUIRE(fixture.texts.size() > 400);
    for (const EncodedText& each : fixture.texts) {
      INFO(name << ": " << each.text);
      auto tokens = codec->tokenize(each.text, false, false);
      REQUIRE(tokens.ok());
      CHECK(*tokens == each.ids);
      std::string spaces_for_marks = each.text;
      for (std::size_t at = 0; (at = spaces_for_marks.find("▁", at)) != std::string::npos;)
        spaces_for_marks.replace(at, 3, " ");
      CHECK(codec->detokenize(each.ids, false) == spaces_for_marks);
    }
  }
}

TEST_CASE("SentencePiece codec joins the best score first and the leftmost of equals, also in long texts") {
  TokenizerSpec spec = sentence_piece_spec({"a", "b", "c", "bc", "ab", "aa"});
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize("abc", false, false) == std::vector<TokenId>{3, 6});
  CHECK(*codec->tokenize("aaa", false, false) == std::vector<TokenId>{8, 3});
  std::vector<TokenId> expected(5000, 8);
  expected.push_back(3);
  CHECK(*codec->tokenize(std::string(10001, 'a'), false, false) == expected);
  spec.scores[6] = spec.scores[7];  // bc and ab
  CHECK(*codec_of(spec)->tokenize("abc", false, false) == std::vector<TokenId>{7, 5});
}

TEST_CASE("SentencePiece codec joins across the beginning of a word where a token does") {
  auto codec = codec_of(sentence_piece_spec({"a", "b", "▁", "a▁", "▁b", "a▁b", "▁▁"}));
  CHECK(*codec->tokenize("a b a", false, false) == std::vector<TokenId>{8, 5, 3});
  CHECK(*codec->tokenize("b b a b", false, false) == std::vector<TokenId>{4, 7, 5, 8});
  CHECK(*codec->tokenize("b  b", false, false) == std::vector<TokenId>{4, 5, 7});
  // Without a token for the mark itself it is unknown as its neighbours are, all of them once.
  codec = codec_of(sentence_piece_spec({"a"}));
  CHECK(*codec->tokenize("aé é a", false, false) == std::vector<TokenId>{3, 0, 3});
}

TEST_CASE("SentencePiece codec puts a space before every stretch of text, unless the file says no") {
  TokenizerSpec spec = sentence_piece_spec({"a", "▁", "▁a"});
  spec.add_space_prefix.reset();
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize("a a</s>a", false, true) == std::vector<TokenId>{5, 5, 2, 5});
  CHECK(*codec->tokenize(" a", false, true) == std::vector<TokenId>{4, 5});
  CHECK(codec->tokenize("", false, true)->empty());
  spec.add_space_prefix = false;
  CHECK(*codec_of(spec)->tokenize("a a</s>a", false, true) == std::vector<TokenId>{3, 5, 2, 3});
}

TEST_CASE("SentencePiece codec drops the space it put before a text, of whole texts only") {
  TokenizerSpec spec = sentence_piece_spec({"a", "▁", "▁a"});
  spec.add_space_prefix = true;
  auto codec = codec_of(spec);
  CHECK(codec->detokenize(std::vector<TokenId>{5, 5}, false) == "a a");
  CHECK(codec->detokenize(std::vector<TokenId>{4, 5}, false) == " a");
  CHECK(codec->detokenize(std::vector<TokenId>{1, 5, 2}, false) == "a");
  CHECK(codec->detokenize(std::vector<TokenId>{1, 5, 2}, true) == "<s> a</s>");
  // What is generated goes on from a prompt: its space is real.
  auto decoder = codec->new_decoder();
  std::string text;
  decoder->push(5, text);
  decoder->finish(text);
  CHECK(text == " a");
  spec.add_space_prefix = false;
  CHECK(codec_of(spec)->detokenize(std::vector<TokenId>{5, 5}, false) == " a a");
}

TEST_CASE("SentencePiece codec spells what is no token in bytes, and shows whole characters only") {
  TokenizerSpec spec = sentence_piece_spec({"a"});
  add_byte_tokens(spec);
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize("aé\n", false, false) == std::vector<TokenId>{3, 4 + 0xC3, 4 + 0xA9, 4 + 0x0A});
  auto decoder = codec->new_decoder();
  std::string text;
  decoder->push(4 + 0xC3, text);
  CHECK(text.empty());
  decoder->push(4 + 0xA9, text);
  CHECK(text == "é");
  CHECK(codec->token_bytes(4 + 0xC3) == "\xC3");
}

TEST_CASE("SentencePiece codec without byte tokens has one unknown token for what stands in a row") {
  TokenizerSpec spec = sentence_piece_spec({"a"});
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize("aéß日aé", false, false) == std::vector<TokenId>{3, 0, 3, 0});
  CHECK(codec->detokenize(std::vector<TokenId>{3, 0, 3}, false) == "aa");
}

TEST_CASE("contract 9: characters never join to a control, unknown or byte token") {
  // "s>" and "<0x4" are ordinary tokens here, so that the pairs <s> and <0x41> come up.
  TokenizerSpec spec =
      sentence_piece_spec({"<", "s", ">", "s>", "0", "x", "4", "1", "<0", "<0x", "<0x4", "1>", "u", "n", "k"});
  add_byte_tokens(spec);
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize("<s>", false, false) == std::vector<TokenId>{3, 6});
  CHECK(*codec->tokenize("<s>", false, true) == std::vector<TokenId>{1});
  CHECK(*codec->tokenize("<0x41>", false, true) == std::vector<TokenId>{13, 14});
  CHECK(*codec->tokenize("<unk>", false, false) == std::vector<TokenId>{3, 15, 16, 17, 5});
}

TEST_CASE("SentencePiece codec takes tokens 0, 1 and 2 and a BOS when the file does not say") {
  TokenizerSpec spec = sentence_piece_spec({"a"});
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize("a", true, false) == std::vector<TokenId>{1, 3});
  CHECK(codec->end_of_generation()[0] == 2);
  spec.add_bos = false, spec.add_eos = true;
  CHECK(*codec_of(spec)->tokenize("a", true, false) == std::vector<TokenId>{3, 2});
}

TEST_CASE("SentencePiece codec needs one finite score a token") {
  TokenizerSpec spec = sentence_piece_spec({"a"});
  spec.scores[2] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THAT(make_text_codec(spec).error().message, Catch::Contains("score of token 2 is not finite"));
  spec.scores.clear();
  CHECK_THAT(make_text_codec(spec).error().message, Catch::Contains("scores has 0 entries for 4 tokens"));
  spec.scores = {0, 0, 0};
  CHECK_THAT(make_text_codec(spec).error().message, Catch::Contains("scores has 3 entries for 4 tokens"));
}

TEST_CASE("an unused token of a SentencePiece file stands for nothing, a user-defined one for itself") {
  TokenizerSpec spec = sentence_piece_spec({"x▁", "y▁"});
  spec.token_types[3] = 5, spec.token_types[4] = 4;
  auto codec = codec_of(spec);
  CHECK(codec->detokenize(std::vector<TokenId>{3, 4}, false) == "y▁");
}
