#include "text/tokenizer/pre_tokenizer.hpp"

#include <catch2/catch.hpp>

#include "test/text/fixtures.hpp"

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
  REQUIRE(cases == 11 * 120);
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

TEST_CASE("pre-tokenizers that see case end a word where upper case follows lower") {
  const char* text = "camelCaseXMLHttp É日Ab I'LL";
  CHECK(pieces(Splitter::kTekken, text) == Pieces{"camel", "Case", "XMLHttp", " É日Ab", " I", "'LL"});
  CHECK(pieces(Splitter::kGpt4o, text) == Pieces{"camel", "Case", "XMLHttp", " É日Ab", " I'LL"});
  CHECK(pieces(Splitter::kTekken, "日AAA aB") == Pieces{"日", "AAA", " a", "B"});
  CHECK(pieces(Splitter::kTekken, "a//b/\n/c 12345") ==
        Pieces{"a", "//", "b", "/\n/", "c", " ", "1", "2", "3", "4", "5"});
  CHECK(pieces(Splitter::kGpt4o, "12345") == Pieces{"123", "45"});
}

TEST_CASE("pre-tokenizers leave a mark with its letter where the expression has marks in words") {
  const char* text = "e\u0301a !\u0301x";
  CHECK(pieces(Splitter::kQwen2, text) == Pieces{"e", "\u0301a", " !\u0301", "x"});
  CHECK(pieces(Splitter::kQwen35, text) == Pieces{"e\u0301a", " !", "\u0301x"});
  CHECK(pieces(Splitter::kGpt4o, text) == Pieces{"e\u0301a", " !\u0301", "x"});
}

TEST_CASE("pre-tokenizers of DeepSeek and Falcon cut numbers, scripts and signs apart") {
  CHECK(pieces(Splitter::kDeepSeek3, "x1234日本go (ok) #tag\n\n") ==
        Pieces{"x", "123", "4", "日本", "go", " (", "ok", ")", " #", "tag", "\n\n"});
  CHECK(pieces(Splitter::kDeepSeekCoder, "int x=12;\r\n") == Pieces{"int", " x", "=", "1", "2", ";", "\r", "\n"});
  CHECK(pieces(Splitter::kFalcon, "a `b` 1234.") == Pieces{"a", " ", "`", "b", "`", " ", "123", "4", "."});
}

TEST_CASE("pre-tokenizers are known by every name of their family, and by no other") {
  for (const char* name : {"gpt-2", "phi-2", "mpt", "olmo", "jina-es", "roberta-bpe", "modern-bert", "exaone4",
                           "gigachat", "trillion", "granite-docling"}) {
    CHECK(find_pre_tokenizer(name)->splitter == Splitter::kGpt2);
  }
  for (const char* name :
       {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"}) {
    CHECK(find_pre_tokenizer(name)->splitter == Splitter::kSmolLm);
  }
  for (const char* name :
       {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"}) {
    CHECK(find_pre_tokenizer(name)->splitter == Splitter::kLlama3);
    CHECK(find_pre_tokenizer(name)->ignore_merges);
    CHECK(find_pre_tokenizer(name)->add_bos_default);
  }
  for (const char* name : {"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}) {
    CHECK(find_pre_tokenizer(name)->splitter == Splitter::kLlama3);
    CHECK_FALSE(find_pre_tokenizer(name)->ignore_merges);
    CHECK_FALSE(find_pre_tokenizer(name)->add_bos_default);
  }
  for (const char* name :
       {"qwen2", "deepseek-r1-qwen", "kormo", "megrez", "f2llmv2", "stablelm2", "hunyuan", "solar-open", "grok-2"}) {
    CHECK(find_pre_tokenizer(name)->splitter == Splitter::kQwen2);
  }
  CHECK(find_pre_tokenizer("qwen35")->splitter == Splitter::kQwen35);
  CHECK(find_pre_tokenizer("tekken")->splitter == Splitter::kTekken);
  CHECK(find_pre_tokenizer("tekken")->ignore_merges);
  CHECK(find_pre_tokenizer("tekken")->add_bos_default);
  for (const char* name : {"gpt-4o", "llama4", "kanana2", "minimax-m2"}) {
    CHECK(find_pre_tokenizer(name)->splitter == Splitter::kGpt4o);
  }
  for (const char* name : {"deepseek-v3", "hunyuan-dense", "joyai-llm"}) {
    CHECK(find_pre_tokenizer(name)->splitter == Splitter::kDeepSeek3);
  }
  CHECK(find_pre_tokenizer("deepseek-coder")->splitter == Splitter::kDeepSeekCoder);
  CHECK(find_pre_tokenizer("falcon")->splitter == Splitter::kFalcon);
  for (const char* name : {"default", ""}) CHECK(find_pre_tokenizer(name)->splitter == Splitter::kDefault);
  for (const char* name : {"llama", "qwen", "gpt-2 gpt2", " ", "-2", "bpe", "GPT-2", "tekken2"}) {
    INFO(name);
    CHECK_FALSE(find_pre_tokenizer(name).has_value());
  }
}
