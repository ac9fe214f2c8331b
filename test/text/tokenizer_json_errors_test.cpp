// tokenizer.json files we refuse: hostile ones, and those we would encode otherwise than they say.
#include <catch2/catch.hpp>
#include <random>

#include "test/text/fixtures.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer_json/tokenizer_json.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr const char* kByteLevel = R"({"type":"ByteLevel","add_prefix_space":false})";

struct Parts {
  std::string normalizer = "null";
  std::string pre_tokenizer = kByteLevel;
  std::string post_processor = "null";
  std::string added_tokens = "[]";
  std::string model = R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]})";

  std::string json() const {
    return R"({"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" + pre_tokenizer + R"(,"post_processor":)" +
           post_processor + R"(,"added_tokens":)" + added_tokens + R"(,"model":)" + model + "}";
  }
};

void require_refused(const std::string& json, const std::string& why, const std::string& config = "") {
  auto spec = read_tokenizer_json(json, config);
  INFO(json.substr(0, 400));
  REQUIRE_FALSE(spec.ok());
  CHECK(spec.error().code == ErrorCode::kModelFile);
  CHECK_THAT(spec.error().message, Catch::Contains(why));
  CHECK(spec.error().message.size() < 1000);
}

}  // namespace

TEST_CASE("tokenizer.json that is no JSON, or no object, is refused") {
  require_refused("", "tokenizer.json is not valid JSON");
  require_refused("{", "tokenizer.json is not valid JSON");
  require_refused("[]", "tokenizer.json is not an object");
  require_refused("{}x", "tokenizer.json is not valid JSON");
  require_refused(std::string(100'000, '['), "tokenizer.json is not valid JSON");
  require_refused("{\"a\":\"\xFF\"}", "tokenizer.json is not valid JSON");
  require_refused(Parts{}.json(), "tokenizer_config.json is not valid JSON", "{");
  require_refused(Parts{}.json(), "tokenizer_config.json is not an object", "3");
  REQUIRE(read_tokenizer_json(Parts{}.json(), "{}").ok());
}

TEST_CASE("tokenizer.json of another model is refused by its name") {
  for (const char* type : {"WordPiece", "Unigram", "WordLevel"}) {
    Parts parts;
    parts.model = std::string(R"({"type":")") + type + R"(","vocab":{}})";
    require_refused(parts.json(), std::string("'") + type + "' is not supported");
  }
  Parts parts;
  parts.model = "null";
  require_refused(parts.json(), "tokenizer.json.model is missing");
}

TEST_CASE("tokenizer.json with an unknown splitting expression is refused, and the expression is named") {
  auto split = [](const std::string& pattern, const std::string& more) {
    return R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":)" + pattern + more +
           R"(},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})";
  };
  const std::string isolated = R"(,"behavior":"Isolated","invert":false)";
  Parts parts;
  parts.pre_tokenizer = split(R"({"Regex":"\\p{L}+|foo"})", isolated);
  require_refused(parts.json(), R"(unknown expression: \p{L}+|foo)");
  parts.pre_tokenizer = split(R"({"Regex":"\\p{N}"})", R"(,"behavior":"Removed","invert":false)");
  require_refused(parts.json(), "Removed");
  parts.pre_tokenizer = split(R"({"Regex":"\\p{N}"})", R"(,"behavior":"Isolated","invert":true)");
  require_refused(parts.json(), "inverted");
  parts.pre_tokenizer = split(R"({"String":"-"})", isolated);
  require_refused(parts.json(), "Split at -");
  parts.pre_tokenizer = split(R"({"Regex":"\\p{N}{1,3}"})", isolated);  // the first step of a known one
  require_refused(parts.json(), "unknown expression");
  parts.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
  require_refused(parts.json(), "unknown expression");
}

TEST_CASE("tokenizer.json with a step we do not have is refused by its name") {
  Parts parts;
  for (const char* type : {"Whitespace", "Punctuation", "BertPreTokenizer", "UnicodeScripts"}) {
    parts.pre_tokenizer = std::string(R"({"type":")") + type + R"("})";
    require_refused(parts.json(), type);
  }
  parts.pre_tokenizer = R"({"type":"ByteLevel","add_prefix_space":true})";
  require_refused(parts.json(), "add_prefix_space");
  parts.pre_tokenizer = R"({"type":"Digits","individual_digits":false})";
  require_refused(parts.json(), "Digits");
  parts.pre_tokenizer = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true})";
  require_refused(parts.json(), "Metaspace");
  parts.pre_tokenizer = "null";
  require_refused(parts.json(), "neither maps bytes");
  parts = Parts{};
  for (const char* type : {"NFKC", "Lowercase", "StripAccents", "Precompiled"}) {
    parts.normalizer = std::string(R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":")") + type + R"("}]})";
    require_refused(parts.json(), type);
  }
  parts.normalizer = R"({"type":"Replace","pattern":{"Regex":"a"},"content":"b"})";
  require_refused(parts.json(), "Replace a by b");
  parts.normalizer = R"({"type":"Prepend","prepend":"x"})";
  require_refused(parts.json(), "'x'");
  parts = Parts{};
  parts.post_processor = R"({"type":"BertProcessing"})";
  require_refused(parts.json(), "BertProcessing");
  parts.post_processor =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},{"SpecialToken":{"id":"b"}}]})";
  require_refused(parts.json(), "second token");
  parts.post_processor =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"zz"}},{"Sequence":{"id":"A"}}]})";
  require_refused(parts.json(), "'zz' is not a token");
  parts.post_processor =
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"a"}},{"Sequence":{"id":"A"}}]})";
  require_refused(parts.json(), "adds 'a'", R"({"bos_token":"b"})");
}

TEST_CASE("tokenizer.json with a broken vocabulary is refused") {
  auto model = [](const std::string& more) { return Parts{.model = R"({"type":"BPE",)" + more + "}"}.json(); };
  require_refused(model(R"("merges":[])"), "model.vocab is not an object");
  require_refused(model(R"("vocab":{"a":-1},"merges":[])"), "vocab['a'] is not a token id");
  require_refused(model(R"("vocab":{"a":0.5},"merges":[])"), "vocab['a'] is not a token id");
  require_refused(model(R"("vocab":{"a":4194304},"merges":[])"), "below 4194304");
  require_refused(model(R"("vocab":{"a":18446744073709551615},"merges":[])"), "vocab['a'] is not a token id");
  require_refused(model(R"("vocab":{"a":0,"b":0},"merges":[])"), "two tokens of the id 0");
  require_refused(model(R"("vocab":{"a":0})"), "model.merges is missing");
  require_refused(model(R"("vocab":{"a":0},"merges":[3])"), "model.merges[0] is neither");
  require_refused(model(R"("vocab":{"a":0},"merges":[["a"]])"), "model.merges[0] is neither");
  require_refused(model(R"("vocab":{"a":0},"merges":[["a b","c"]])"), "model.merges[0] has a left part");
  require_refused(model(R"("vocab":{"a":0},"merges":[],"end_of_word_suffix":"</w>")"), "'</w>'");
  require_refused(model(R"("vocab":{"a":0},"merges":[],"ignore_merges":"yes")"), "ignore_merges is not true or false");
}

TEST_CASE("tokenizer.json with broken added tokens is refused") {
  auto added = [](const std::string& token) { return Parts{.added_tokens = "[" + token + "]"}.json(); };
  require_refused(added("3"), "added_tokens[0] is not an object");
  require_refused(added(R"({"content":"x"})"), "added_tokens[0].id is missing");
  require_refused(added(R"({"id":5})"), "added_tokens[0].content is not a string");
  require_refused(added(R"({"id":0,"content":"x"})"), "'x' has the id 0");
  require_refused(added(R"({"id":3,"content":"x","single_word":true})"), "single_word");
  require_refused(added(R"({"id":3,"content":"x","rstrip":1})"), "rstrip is not true or false");
  require_refused(Parts{.added_tokens = "{}"}.json(), "added_tokens is not an array");
}

TEST_CASE("tokenizer.json with holes in its ids has unused tokens there") {
  auto spec = read_tokenizer_json(Parts{.added_tokens = R"([{"id":5,"content":"x","special":true}])"}.json(), "");
  REQUIRE(spec.ok());
  CHECK(spec->tokens.size() == 6);
  CHECK(spec->token_types == std::vector<std::int32_t>{1, 1, 1, 5, 5, 3});
  CHECK(make_text_codec(*spec).ok());
}

TEST_CASE("a config that names no token, or is of another shape, is refused") {
  require_refused(Parts{}.json(), "bos_token 'zz' is not a token", R"({"bos_token":"zz"})");
  require_refused(Parts{}.json(), "eos_token is not an object", R"({"eos_token":3})");
  require_refused(Parts{}.json(), "add_bos_token is not true or false", R"({"add_bos_token":1})");
  require_refused(Parts{}.json(), "chat_template is neither", R"({"chat_template":3})");
  require_refused(Parts{}.json(), "chat_template[0].template is not a string", R"({"chat_template":[{"name":"x"}]})");
}

TEST_CASE("tokenizer.json with any byte changed is read or refused, and what is read makes a codec or an error") {
  const std::string good = fixture_lines("tokenizer_llama2.json").at(0);
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string broken = good;
    for (int i = 0; i < 3; ++i) {
      std::size_t at = random() % broken.size();
      switch (random() % 3) {
        case 0:
          broken[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          broken.erase(at, random() % 40);
          break;
        default:
          broken.insert(at, broken.substr(random() % broken.size(), random() % 40));
      }
    }
    auto spec = read_tokenizer_json(broken, "");
    if (!spec) continue;
    auto codec = make_text_codec(*spec);
    if (codec) CHECK((*codec)->tokenize("Hello <s> wörld", true, true).ok());
  }
}
