// The tokenizers of real model files, by reference ids. Files that are not there make a test skip and say so: models/
// has them after ./quickstart (SmolLM2), or by hand, as the test says.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "model/gguf/gguf_file.hpp"
#include "model/tokenizer_metadata.hpp"
#include "test/model/golden.hpp"
#include "test/skip.hpp"
#include "test/source_dir.hpp"
#include "test/text/fixtures.hpp"
#include "text/text_codec.hpp"
#include "text/tokenizer/space_marks.hpp"
#include "text/tokenizer_json/tokenizer_json.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::unique_ptr<TextCodec> made(Result<TokenizerSpec> spec) {
  if (!spec) FAIL(spec.error().message);
  auto codec = make_text_codec(std::move(*spec));
  if (!codec) FAIL(codec.error().message);
  return std::move(*codec);
}

std::unique_ptr<TextCodec> codec_of_gguf(const std::string& path) {
  auto file = GgufFile::open(path);
  if (!file) FAIL(file.error().message);
  auto tokens = file->metadata().strings("tokenizer.ggml.tokens");
  REQUIRE(tokens.ok());
  return made(read_tokenizer_spec(file->metadata(), static_cast<std::uint32_t>(tokens->size())));
}

// has_marks: a mark in a text is a space to the tokenizer, and comes back as one.
void check_reference_texts(const TextCodec& codec, const std::string& fixture, bool has_marks) {
  for (const std::string& line : fixture_lines(fixture)) {
    std::vector<std::string> parts = fields(line, '\t');
    std::string text = unescaped(parts[0]);
    INFO(parts[0]);
    CHECK(*codec.tokenize(text, false, false) == ids(parts[1]));
    CHECK(*codec.tokenize(text, false, true) == ids(parts[2]));
    CHECK(codec.detokenize(ids(parts[2]), true) == (has_marks ? with_spaces_for_marks(text) : text));
  }
}

struct Vector {
  const char* text;
  const char* ids;  // with special tokens recognised
};

void check_vectors(const TextCodec& codec, const std::vector<Vector>& vectors) {
  for (const Vector& each : vectors) {
    INFO(each.text);
    CHECK(*codec.tokenize(each.text, false, true) == ids(each.ids));
  }
}

const std::vector<Vector> kGemma3 = {
    {"Hello world", "9259 1902"},
    {"a   b", "236746 139 236763"},
    {"The quick  brown\tfox\t\tjumps", "818 3823 138 33250 255968 24431 255969 236804 12909"},
    {"日本語テスト 🙂 é", "94951 88733 57235 1559"},
    {"1234567 3.14", "236770 236778 236800 236812 236810 236825 236832 236743 236800 236761 236770 236812"},
    {"<s>hi</s> <b>bold</b>", "203 2202 212 236743 200 15640 209"},
    {"<start_of_turn>user\nTest<end_of_turn>\n<start_of_turn>model\n", "105 2364 107 3694 106 107 105 4368 107"},
};
const std::vector<Vector> kQwen3 = {
    {"Hello world", "9707 1879"},
    {"The capital of France is", "785 6722 315 9625 374"},
    {"  3.14,é日本語 ½٣", "220 220 18 13 16 19 11 963 101059 102819 220 26062 149 96"},
    {"def f(x):\n    return x+1\n", "750 282 2075 982 262 470 856 10 16 198"},
    {"🙂👨‍👩‍👧 naïve café", "145080 145367 378 235 145233 378 235 145665 94880 586 51950"},
    {"<|endoftext|><|im_start|><|im_end|><tool_call></tool_call><think></think>",
     "151643 151644 151645 151657 151658 151667 151668"},
};
const std::vector<Vector> kLlama31 = {
    {"Hello world", "9906 1917"},
    {"The capital of France is", "791 6864 315 9822 374"},
    {"  3.14,é日本語 ½٣", "220 220 18 13 975 11 978 102433 102158 220 27154 117413"},
    {"def f(x):\n    return x+1\n", "755 282 2120 997 262 471 865 10 16 198"},
    {"🙂👨‍👩‍👧 naïve café",
     "9468 19044 9468 239 101 102470 9468 239 102 102470 9468 239 100 95980 588 53050"},
    {"<|begin_of_text|><|end_of_text|><|start_header_id|><|end_header_id|><|eot_id|>",
     "128000 128001 128006 128007 128009"},
};

// NAME/tokenizer.json in a folder where somebody put what comes with the models' weights.
void check_folder(const std::string& name, const std::vector<Vector>& vectors) {
  const char* folder = std::getenv("TROUPE_TEST_TOKENIZERS");
  std::string path =
      (folder ? std::string(folder) : source_dir() + "/models/tokenizers") + "/" + name + "/tokenizer.json";
  if (!std::filesystem::exists(path)) return skip("no " + path + "; set TROUPE_TEST_TOKENIZERS");
  std::ifstream file(path, std::ios::binary);
  std::string json(std::istreambuf_iterator<char>(file), {});
  check_vectors(*made(read_tokenizer_json(json, "")), vectors);
}

}  // namespace

TEST_CASE("the tokenizer of SmolLM2's file gives the reference ids") {
  auto path = real_model();
  if (!path) return skip("no model; set TROUPE_TEST_MODEL");
  check_reference_texts(*codec_of_gguf(*path), "smollm2_tokens.txt", false);
}

TEST_CASE("the tokenizer of Gemma 3's file gives the reference ids, with its 6,415 special tokens") {
  std::string path = source_dir() + "/models/gemma-3-270m.Q4_K_M.gguf";
  if (!std::filesystem::exists(path)) return skip("no " + path);
  auto codec = codec_of_gguf(path);
  check_reference_texts(*codec, "gemma3_tokens.txt", true);
  check_vectors(*codec, kGemma3);
  CHECK(*codec->tokenize("Hello world", true, false) == std::vector<TokenId>{2, 9259, 1902});
  auto ends = codec->end_of_generation();
  CHECK(std::vector<TokenId>(ends.begin(), ends.end()) == std::vector<TokenId>{1, 106});
}

TEST_CASE("the tokenizer.json of Qwen 3 gives the reference ids") { check_folder("qwen3", kQwen3); }

TEST_CASE("the tokenizer.json of Llama 3.1 gives the reference ids") { check_folder("llama3.1", kLlama31); }

TEST_CASE("the tokenizer.json of Gemma 3 gives the reference ids") { check_folder("gemma3", kGemma3); }
