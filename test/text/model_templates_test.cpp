// The chat templates of seven model families against their known renderings (data/chat_goldens.txt), and what a BOS in
// a rendering becomes.
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>

#include "test/source_dir.hpp"
#include "test/text/fixtures.hpp"
#include "text/chat_template/chat_template.hpp"
#include "text/text_codec.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::string template_source(const std::string& name) {
  std::ifstream file(source_dir() + "/test/text/data/templates/" + name + ".jinja", std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  REQUIRE(file.good());
  return text.str();
}

struct GoldenChat {
  std::string model;
  ChatPrompt prompt;
  std::string expected;
  bool is_refused = false;
};

std::vector<GoldenChat> golden_chats() {
  std::vector<GoldenChat> chats;
  for (const std::string& line : fixture_lines("chat_goldens.txt")) {
    std::size_t space = line.find(' ');
    std::string key = line.substr(0, space);
    std::string value = space == std::string::npos ? "" : line.substr(space + 1);
    if (key == "#") continue;
    if (key == "template") {
      chats.emplace_back().model = value;
    } else if (key == "rendered" || key == "refused") {
      chats.back().expected = unescaped(value);
      chats.back().is_refused = key == "refused";
    } else {
      INFO(line);
      REQUIRE(read_conversation_line(line, chats.back().prompt));
    }
  }
  return chats;
}

// A small byte-level model with these control tokens, ids from 256; the first is the BOS, which texts begin with.
std::unique_ptr<TextCodec> codec_with(const std::vector<std::string>& control, const std::string& chat_template) {
  TokenizerSpec spec = small_spec(control);
  for (std::size_t i = 256; i < spec.tokens.size(); ++i) {
    spec.token_types[i] = static_cast<std::int32_t>(TokenType::kControl);
  }
  spec.bos_id = 256;
  spec.add_bos = true;
  spec.chat_template = chat_template;
  auto codec = make_text_codec(std::move(spec));
  INFO((codec ? std::string() : codec.error().message));
  REQUIRE(codec.ok());
  return std::move(*codec);
}

}  // namespace

TEST_CASE("the chat templates of seven model families render as Hugging Face renders them") {
  std::set<std::string> models;
  for (const GoldenChat& chat : golden_chats()) {
    models.insert(chat.model);
    INFO(chat.model << ", " << chat.prompt.messages.size() << " messages");
    auto compiled = ChatTemplate::compile(template_source(chat.model));
    INFO((compiled ? std::string() : compiled.error().message));
    REQUIRE(compiled.ok());
    auto text = compiled->render(chat.prompt, {"<B>", "<E>", "", ""});
    REQUIRE(text.ok() != chat.is_refused);
    CHECK((text ? text->bytes() : text.error().message) == chat.expected);
    if (!text) CHECK(text.error().code == ErrorCode::kInvalidRequest);
  }
  CHECK(models.size() == 7);
}

TEST_CASE("the chat template of the model's file is the one among the fixtures") {
  CHECK(smollm2_spec().chat_template + "\n" == template_source("smollm2"));
}

TEST_CASE("a template that prints its BOS gets no second one: Gemma's") {
  auto codec = codec_with({"<bos>", "<start_of_turn>", "<end_of_turn>"}, template_source("gemma-3"));
  auto tokens = codec->tokenize_chat({{{"user", "Hi", ""}}, true});
  REQUIRE(tokens.ok());
  const std::vector<TokenId> expected = {256, 257,  'u', 's', 'e', 'r', '\n', 'H', 'i',
                                         258, '\n', 257, 'm', 'o', 'd', 'e',  'l', '\n'};
  CHECK(*tokens == expected);
  CHECK(*codec->tokenize("Hi", true, false) == std::vector<TokenId>{256, 'H', 'i'});  // a completion begins with one
}

TEST_CASE("a template that prints its BOS gets no second one: Llama 3's") {
  const std::vector<std::string> control = {"<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                                            "<|eot_id|>"};
  auto codec = codec_with(control, template_source("llama-3.1"));
  auto tokens = codec->tokenize_chat({{{"user", "Hi", ""}}, true});
  REQUIRE(tokens.ok());
  REQUIRE(tokens->size() > 10);
  CHECK((*tokens)[0] == 256);
  CHECK((*tokens)[1] == 257);
  CHECK(std::count(tokens->begin(), tokens->end(), 256) == 1);
  // What a message says is no BOS either.
  auto forged = codec->tokenize_chat({{{"user", "<|begin_of_text|>", ""}}, true});
  CHECK(std::count(forged->begin(), forged->end(), 256) == 1);
}

TEST_CASE("a template that prints no BOS gets none, as in Hugging Face, whatever add_bos says") {
  auto codec = codec_with({"<s>", "<|user|>", "<|assistant|>", "<|end|>", "<|system|>"}, template_source("phi-3.5"));
  auto tokens = codec->tokenize_chat({{{"user", "Hi", ""}}, true});
  REQUIRE(tokens.ok());
  CHECK(*tokens == std::vector<TokenId>{257, '\n', 'H', 'i', 259, '\n', 258, '\n'});
}
