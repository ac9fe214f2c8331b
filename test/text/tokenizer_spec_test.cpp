#include <catch2/catch.hpp>

#include "test/text/fixtures.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer/special_tokens.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {
void require_refused(TokenizerSpec spec, const std::string& why) {
  auto codec = make_text_codec(std::move(spec));
  INFO(why);
  REQUIRE_FALSE(codec.ok());
  CHECK(codec.error().code == ErrorCode::kModelFile);
  INFO(codec.error().message);
  CHECK(codec.error().message.find(why) != std::string::npos);
}
}  // namespace

TEST_CASE("tokenizer spec of another kind is refused by its name") {
  TokenizerSpec spec = small_spec({});
  spec.model = "bert";
  require_refused(spec, "'bert'");
  spec.model = "";
  require_refused(spec, "tokenizer.ggml.model is missing");
}

TEST_CASE("tokenizer spec with an unknown pre-tokenizer is refused by its name") {
  TokenizerSpec spec = small_spec({});
  spec.pre = "no-such-splitter";
  require_refused(spec, "'no-such-splitter'");
}

TEST_CASE("tokenizer spec without a pre-tokenizer means the default one") {
  TokenizerSpec spec = small_spec({});
  spec.pre = "";
  REQUIRE(make_text_codec(spec).ok());
}

TEST_CASE("tokenizer spec with ids outside the vocabulary is refused, each by its key") {
  TokenizerSpec good = small_spec({});
  for (auto [member, key] : {std::pair(&TokenizerSpec::bos_id, "bos_token_id"),
                             {&TokenizerSpec::eos_id, "eos_token_id"},
                             {&TokenizerSpec::eot_id, "eot_token_id"},
                             {&TokenizerSpec::eom_id, "eom_token_id"},
                             {&TokenizerSpec::unknown_id, "unknown_token_id"},
                             {&TokenizerSpec::padding_id, "padding_token_id"}}) {
    TokenizerSpec spec = good;
    spec.*member = 256;
    require_refused(spec, std::string(key) + " is 256");
    spec.*member = 0xFFFFFFFFU;
    require_refused(spec, key);
    spec.*member = 255;
    REQUIRE(make_text_codec(spec).ok());
  }
  good.more_end_ids = {1, 4000000000U};
  require_refused(good, "4000000000");
}

TEST_CASE("tokenizer spec that asks for a BOS it does not have is refused") {
  TokenizerSpec spec = small_spec({});
  spec.add_bos = true;
  require_refused(spec, "bos_token_id");
}

TEST_CASE("tokenizer spec with arrays of other lengths than its tokens is refused") {
  TokenizerSpec spec = small_spec({});
  spec.token_types.pop_back();
  require_refused(spec, "255 entries for 256 tokens");
  spec = small_spec({});
  spec.scores = {1.0F};
  require_refused(spec, "scores has 1");
  spec = small_spec({});
  spec.tokens.clear(), spec.token_types.clear();
  require_refused(spec, "no tokens");
}

TEST_CASE("tokenizer spec with a broken merge is refused, and the merge is named") {
  for (auto [merge, why] : {std::pair("ab", "not two parts"),
                            {"a ", "not two parts"},
                            {"", "not two parts"},
                            {"a zz", "a part that is not a token"},
                            {"a b", "makes a text that is not a token"}}) {
    TokenizerSpec spec = small_spec({});
    spec.merges = {merge};
    require_refused(spec, why);
    require_refused(spec, "merge 0 '" + std::string(merge) + "'");
  }
}

TEST_CASE("tokenizer spec with a byte token that names no byte is refused") {
  for (const char* text : {"<0x-1>", "<0xGG>", "<0x1>", "<0x0a>", "x", "<0x00", ""}) {
    TokenizerSpec spec = small_spec({text});
    spec.token_types.back() = static_cast<std::int32_t>(TokenType::kByte);
    require_refused(spec, "token 256 is a byte token");
  }
  TokenizerSpec spec = small_spec({"<0xC3>"});
  spec.token_types.back() = static_cast<std::int32_t>(TokenType::kByte);
  auto codec = make_text_codec(spec);
  REQUIRE(codec.ok());
  CHECK((*codec)->token_bytes(256) == "\xC3");
}

TEST_CASE("tokenizer spec with equal tokens gives their text the last id, and decodes both") {
  TokenizerSpec spec = small_spec({"A"});
  auto codec = make_text_codec(spec);
  REQUIRE(codec.ok());
  CHECK(*(*codec)->tokenize("A", false, false) == std::vector<TokenId>{256});
  CHECK((*codec)->detokenize(std::vector<TokenId>{65, 256}, false) == "AA");
}

TEST_CASE("tokenizer spec with an empty token loads and decodes to its stand-in") {
  auto codec = make_text_codec(small_spec({""}));
  REQUIRE(codec.ok());
  CHECK((*codec)->token_bytes(256) == "[EMPTY_256]");
}

TEST_CASE("tokenizer spec with an endless special token is refused") {
  TokenizerSpec spec = small_spec({std::string(kSpecialTokenBytesMax + 1, '<')});
  spec.token_types.back() = static_cast<std::int32_t>(TokenType::kControl);
  require_refused(spec, "special token 256");
}

TEST_CASE("end of generation is the file's ids and control tokens with a known text, not ordinary ones") {
  TokenizerSpec spec = small_spec({"</s>", "<|im_end|>", "<end_of_turn>", "x"});
  spec.token_types[257] = static_cast<std::int32_t>(TokenType::kControl);
  spec.token_types[258] = static_cast<std::int32_t>(TokenType::kControl);
  spec.eos_id = 10, spec.eom_id = 12, spec.more_end_ids = {259, 10};
  auto codec = make_text_codec(spec);
  REQUIRE(codec.ok());
  auto ends = (*codec)->end_of_generation();
  CHECK(std::vector<TokenId>(ends.begin(), ends.end()) == std::vector<TokenId>{10, 12, 257, 258, 259});
}

TEST_CASE("end of generation leaves out <|end|> where it only separates channels") {
  TokenizerSpec spec = small_spec({"<|end|>", "<|return|>", "<|call|>"});
  for (std::size_t i = 256; i < 259; ++i) spec.token_types[i] = static_cast<std::int32_t>(TokenType::kControl);
  auto codec = make_text_codec(spec);
  REQUIRE(codec.ok());
  auto ends = (*codec)->end_of_generation();
  CHECK(std::vector<TokenId>(ends.begin(), ends.end()) == std::vector<TokenId>{257, 258});
}
