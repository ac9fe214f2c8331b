// tokenizer.json files, against the ids that Hugging Face's tokenizers give (make_tokenizers.py).
#include "text/tokenizer_json/tokenizer_json.hpp"

#include <catch2/catch.hpp>

#include "test/text/fixtures.hpp"
#include "text/text_codec.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

TokenizerSpec read(const std::string& json, const std::string& config = "") {
  auto spec = read_tokenizer_json(json, config);
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

std::string fixture_json(const std::string& name) { return fixture_lines("tokenizer_" + name + ".json").at(0); }

std::unique_ptr<TextCodec> codec_of(TokenizerSpec spec) {
  auto codec = make_text_codec(std::move(spec));
  if (!codec) FAIL(codec.error().message);
  return std::move(*codec);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out + "\"";
}

// SmolLM2's vocabulary and merges as the tokenizer.json they came from has them.
std::string smollm2_json() {
  TokenizerSpec spec = smollm2_spec();
  std::string vocab, merges, added;
  for (std::size_t id = 0; id < spec.tokens.size(); ++id) {
    vocab += (id > 0 ? "," : "") + quoted(spec.tokens[id]) + ":" + std::to_string(id);
    if (spec.token_types[id] != static_cast<std::int32_t>(TokenType::kControl)) continue;
    added += (added.empty() ? "" : ",") + std::string(R"({"id":)") + std::to_string(id) + R"(,"content":)" +
             quoted(spec.tokens[id]) + R"(,"special":true,"normalized":false})";
  }
  for (const std::string& merge : spec.merges) merges += (merges.empty() ? "" : ",") + quoted(merge);
  return R"({"added_tokens":[)" + added +
         R"(],"normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[)" +
         R"({"type":"Digits","individual_digits":true},{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}]},)" +
         R"("post_processor":null,"model":{"type":"BPE","vocab":{)" + vocab + R"(},"merges":[)" + merges + "]}}";
}

}  // namespace

TEST_CASE("tokenizer.json of every family encodes random texts as Hugging Face's tokenizers do") {
  for (const char* name : {"gpt2", "smollm", "llama3", "qwen2", "tekken", "gpt4o", "deepseek3", "llama2", "gemma",
                           "metaspace_first", "metaspace_always"}) {
    auto codec = codec_of(read(fixture_json(name)));
    std::size_t cases = 0;
    for (const std::string& line : fixture_lines(std::string("tokenizer_") + name + ".txt")) {
      std::vector<std::string> parts = fields(line, '\t');
      REQUIRE(parts.size() == 4);
      std::string text = unescaped(parts[0]);
      INFO(name << ": " << parts[0]);
      CHECK(*codec->tokenize(text, false, true) == ids(parts[1]));
      CHECK(*codec->tokenize(text, false, false) == ids(parts[2]));
      CHECK(*codec->tokenize(text, true, false) == ids(parts[3]));
      ++cases;
    }
    CHECK(cases > 150);
  }
}

TEST_CASE("tokenizer.json of SmolLM2 encodes as its GGUF does") {
  TokenizerSpec spec = read(smollm2_json(), R"({"bos_token":"<|im_start|>","eos_token":"<|im_end|>"})");
  CHECK(spec.pre == "smollm");
  CHECK(spec.tokens == smollm2_spec().tokens);
  CHECK(spec.merges == smollm2_spec().merges);
  CHECK(spec.token_types == smollm2_spec().token_types);
  CHECK(spec.bos_id == smollm2_spec().bos_id);
  CHECK(spec.eos_id == smollm2_spec().eos_id);
  auto codec = codec_of(spec);
  for (const std::string& line : fixture_lines("smollm2_tokens.txt")) {
    std::vector<std::string> parts = fields(line, '\t');
    CHECK(*codec->tokenize(unescaped(parts[0]), true, false) == ids(parts[1]));
    CHECK(*codec->tokenize(unescaped(parts[0]), true, true) == ids(parts[2]));
  }
}

TEST_CASE("tokenizer.json that asks for form C gets it, between special tokens only") {
  TokenizerSpec spec = read(fixture_json("qwen2"));
  CHECK(spec.nfc);
  auto codec = codec_of(spec);
  CHECK(*codec->tokenize("cafe\u0301", false, false) == *codec->tokenize("café", false, false));
  // GGUF has no key for it: the same vocabulary without it keeps what it is given.
  spec.nfc = false;
  CHECK(codec_of(spec)->detokenize(*codec_of(spec)->tokenize("cafe\u0301", false, false), false) == "cafe\u0301");
  CHECK_FALSE(TokenizerSpec().nfc);
}

TEST_CASE("tokenizer.json and its config say what stands before and after a text") {
  const std::string deepseek = fixture_json("deepseek3");  // its template: BOS before, <think> after
  TokenizerSpec spec = read(deepseek);
  CHECK(spec.tokens[*spec.bos_id] == "<｜begin▁of▁sentence｜>");
  CHECK(spec.tokens[*spec.eos_id] == "<think>");
  CHECK(spec.add_bos == true);
  CHECK(spec.add_eos == true);
  spec = read(deepseek, R"({"add_bos_token":false,"add_eos_token":false,"eos_token":{"content":"<think>"},
                            "pad_token":null,"chat_template":"{{ bos_token }}x"})");
  CHECK(spec.add_bos == false);
  CHECK(spec.add_eos == false);
  CHECK(spec.chat_template == "{{ bos_token }}x");
  CHECK_FALSE(spec.padding_id.has_value());
  // A model without a frame, whose config asks for a BOS; without one the flag means nothing.
  const std::string smollm = fixture_json("smollm");
  CHECK(read(smollm).add_bos == false);
  CHECK(read(smollm, R"({"add_bos_token":true,"bos_token":"<|im_start|>"})").add_bos == true);
  CHECK(read(smollm, R"({"add_bos_token":true})").add_bos == false);
}

TEST_CASE("tokenizer_config.json may have several chat templates: the default one counts") {
  TokenizerSpec spec = read(fixture_json("smollm"), R"({"chat_template":[{"name":"tool_use","template":"t"},
                                                        {"name":"default","template":"d"}]})");
  CHECK(spec.chat_template == "d");
}

TEST_CASE("tokenizer.json of BPE over characters decodes bytes, marks and added tokens") {
  auto codec = codec_of(read(fixture_json("gemma")));
  for (const std::string& line : fixture_lines("tokenizer_gemma.txt")) {
    std::vector<std::string> parts = fields(line, '\t');
    std::string text = unescaped(parts[0]);
    if (text.find("▁") != std::string::npos) continue;
    INFO(parts[0]);
    CHECK(codec->detokenize(ids(parts[2]), true) == text);
  }
}

TEST_CASE("tokenizer.json with fewer tokens than the model has rows is padded with unused ones") {
  TokenizerSpec spec = read(fixture_json("smollm"));
  std::size_t tokens = spec.tokens.size();
  REQUIRE(pad_vocabulary(spec, static_cast<std::uint32_t>(tokens) + 3).ok());
  CHECK(spec.tokens.size() == tokens + 3);
  auto codec = codec_of(spec);
  CHECK(codec->vocab_size() == tokens + 3);
  CHECK(*codec->tokenize("Hello world", false, true) ==
        *codec_of(read(fixture_json("smollm")))->tokenize("Hello world", false, true));
  Status too_few = pad_vocabulary(spec, 10);
  REQUIRE_FALSE(too_few.ok());
  CHECK_THAT(too_few.error().message, Catch::Contains("the model has 10"));
}
