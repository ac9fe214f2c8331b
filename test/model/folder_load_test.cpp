// A whole Hugging Face folder, tokenizer included, through load_model and quantize_model.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>

#include "model/gguf/gguf_file.hpp"
#include "model/load_model.hpp"
#include "model/quantize_model.hpp"
#include "test/model/folder_writer.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t kTokens = 264;  // of tiny_model_with_tokenizer

LoadOptions options() {
  LoadOptions o;
  o.limits.threads = 2;
  o.memory.available_bytes = 2ULL << 30;
  o.kernels = *select_kernels("");
  return o;
}

TinyShape shape_of(DType type, std::uint32_t vocab = kTokens) {
  TinyShape shape;
  shape.type = shape.value_type = shape.embedding_type = type;
  shape.vocab = vocab;
  return shape;
}

std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (char c : text) out += (c == '"' || c == '\\' ? "\\" : "") + std::string(1, c);
  return out + "\"";
}

// The tokenizer of tiny_model_with_tokenizer, from its GGUF keys.
std::string tokenizer_json(const Metadata& metadata) {
  std::vector<std::string> tokens = *metadata.strings("tokenizer.ggml.tokens");
  std::string vocab, added, merges;
  for (std::uint32_t id = 0; id < kTokens; ++id) {
    if (id < 259)
      vocab += (vocab.empty() ? "" : ",") + in_quotes(tokens[id]) + ":" + std::to_string(id);
    else
      added += (added.empty() ? "" : ",") + std::string(R"({"id":)") + std::to_string(id) + R"(,"content":)" +
               in_quotes(tokens[id]) + R"(,"special":true,"normalized":false})";
  }
  std::vector<std::string> pairs = *metadata.strings("tokenizer.ggml.merges");
  for (const std::string& merge : pairs) merges += (merges.empty() ? "" : ",") + in_quotes(merge);
  return R"({"version":"1.0","added_tokens":[)" + added +
         R"(],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel",)" +
         R"("add_prefix_space":false,"trim_offsets":true,"use_regex":true},"post_processor":null,)" +
         R"("decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{)" + vocab + R"(},"merges":[)" + merges +
         "]}}";
}

std::string config_json(const std::string& rest = "") {
  return R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"intermediate_size":128,)"
         R"("num_attention_heads":4,"num_key_value_heads":2,"num_hidden_layers":2,"max_position_embeddings":512,)"
         R"("rms_norm_eps":1e-05,"rope_theta":10000.0,"eos_token_id":260,"tie_word_embeddings":true)" +
         rest + "}";
}

// The same model twice.
struct TwoForms {
  explicit TwoForms(const TinyShape& shape, const std::string& folder_name = "Tiny-0.5B")
      : file(tiny_model_with_tokenizer(shape).bytes(), "tiny.gguf"), folder(folder_name) {
    auto gguf = GgufFile::open(file.path());
    REQUIRE(gguf.ok());
    folder.write("config.json", config_json());
    folder.write("tokenizer.json", tokenizer_json(gguf->metadata()));
    folder.write("tokenizer_config.json", R"({"bos_token":"<|control_259|>","eos_token":{"content":"<|control_260|>"},)"
                                          R"("add_bos_token":true,"chat_template":"{{ 'config' }}"})");
    folder.write_weights(as_stored(gguf->tensors(), {"llama", 16, ""}), 2);
  }
  TemporaryFile file;
  TemporaryFolder folder;
};

LoadedModel load(const std::string& path, const LoadOptions& how = options()) {
  auto loaded = load_model(path, how);
  INFO((loaded ? std::string() : loaded.error().message));
  REQUIRE(loaded.ok());
  return std::move(*loaded);
}

std::string refusal(const std::string& path) {
  auto loaded = load_model(path, options());
  auto checked = check_model(path, options().limits, options().memory);
  REQUIRE_FALSE(loaded.ok());
  REQUIRE_FALSE(checked.ok());
  CHECK(loaded.error().message == checked.error().message);
  CHECK_THAT(loaded.error().message, Catch::StartsWith("cannot load model '" + path + "': "));
  return loaded.error().message.substr(22 + path.size());
}

}  // namespace

TEST_CASE("load_model of a folder gives weights, codec, card and runners") {
  TwoForms forms(shape_of(DType::kBF16));
  LoadedModel folder = load(forms.folder.path() + "/"), file = load(forms.file.path());
  CHECK(folder.card.name == "Tiny-0.5B");
  CHECK(folder.card.architecture == "llama");
  CHECK(folder.card.quantization == "BF16");
  CHECK(folder.card.context_length == 512);
  CHECK(folder.card.vocab_size == kTokens);
  CHECK(folder.card.created_s > 1'600'000'000);
  CHECK(folder.memory.weights_bytes == file.memory.weights_bytes);
  auto tokens = folder.card.codec->tokenize("the cab", false, false);
  REQUIRE(tokens.ok());
  CHECK(*tokens == *file.card.codec->tokenize("the cab", false, false));
  CHECK(generate_greedy(*folder.make_runner(), {1, 2, 3}, 8) == generate_greedy(*file.make_runner(), {1, 2, 3}, 8));
  CHECK(folder.card.numerics_class == folder.weights->numerics_class);
  CHECK(folder.card.numerics_class != file.card.numerics_class);
}

TEST_CASE("a folder that is packed by its first step, or quantised while loading, gives the file's tokens") {
  TwoForms forms(shape_of(DType::kF16));
  LoadOptions lazy = options();
  lazy.preload = false;
  LoadedModel later = load(forms.folder.path(), lazy), folder = load(forms.folder.path());
  CHECK(later.weights == nullptr);
  CHECK(later.card.numerics_class == folder.card.numerics_class);
  CHECK(generate_greedy(*later.make_runner(), {1, 2, 3}, 4) == generate_greedy(*folder.make_runner(), {1, 2, 3}, 4));
  for (WeightsAs weights : {WeightsAs::kInt8, WeightsAs::kInt4}) {
    LoadOptions quantised = options();
    quantised.limits.formats.weights = weights;
    LoadedModel a = load(forms.folder.path(), quantised), b = load(forms.file.path(), quantised);
    CHECK(a.weights->packed[0].matrices == b.weights->packed[0].matrices);
    CHECK(generate_greedy(*a.make_runner(), {1, 2, 3}, 8) == generate_greedy(*b.make_runner(), {1, 2, 3}, 8));
    CHECK(a.card.numerics_class != folder.card.numerics_class);
  }
}

TEST_CASE("the numerics class of a folder changes with its weights and its config") {
  TwoForms forms(shape_of(DType::kF32)), other_weights([] {
    TinyShape shape = shape_of(DType::kF32);
    shape.seed = 2;
    return shape;
  }());
  std::string first = load(forms.folder.path()).card.numerics_class;
  CHECK(load(forms.folder.path()).card.numerics_class == first);
  CHECK(load(other_weights.folder.path()).card.numerics_class != first);
  forms.folder.write("config.json", config_json(R"(,"initializer_range":0.02)"));
  CHECK(load(forms.folder.path()).card.numerics_class != first);
}

TEST_CASE("embeddings with more rows than the tokenizer has tokens are cut to the tokens") {
  TwoForms padded(shape_of(DType::kF32, 320));
  LoadedModel folder = load(padded.folder.path()), file = load(padded.file.path());
  CHECK(folder.card.vocab_size == kTokens);
  CHECK(folder.card.codec->vocab_size() == kTokens);
  CHECK(file.card.vocab_size == 320);
  auto runner = folder.make_runner();
  CHECK(runner->info().vocab_size == kTokens);
  for (TokenId token : generate_greedy(*runner, {1, 2, 3}, 32)) CHECK(token < static_cast<TokenId>(kTokens));
}

TEST_CASE("what ends the output and the chat template come from the file that counts most") {
  TwoForms forms(shape_of(DType::kF32));
  auto ends = [&] {
    auto codec = load(forms.folder.path()).card.codec;
    return std::vector<TokenId>(codec->end_of_generation().begin(), codec->end_of_generation().end());
  };
  auto greeting = [&] {
    auto model = load(forms.folder.path());
    auto tokens = model.card.codec->tokenize_chat({{{"user", "a", ""}}, true});
    REQUIRE(tokens.ok());
    return model.card.codec->detokenize(*tokens, false);
  };
  CHECK(ends() == std::vector<TokenId>{260});
  forms.folder.write("generation_config.json", R"({"eos_token_id":[260,262,261],"temperature":0.6})");
  CHECK(ends() == std::vector<TokenId>{260, 261, 262});
  forms.folder.write("generation_config.json", R"({"eos_token_id":263})");
  CHECK(ends() == std::vector<TokenId>{260, 263});
  CHECK(greeting() == "config");
  forms.folder.write("chat_template.jinja", "{{ 'file' }}");
  CHECK(greeting() == "file");
  forms.folder.write("generation_config.json", R"({"eos_token_id":264})");
  CHECK(refusal(forms.folder.path()) == "eos_token_id: is 264; the tokenizer has 264 tokens");
}

TEST_CASE("a folder that cannot be loaded says which file is to blame") {
  TwoForms forms(shape_of(DType::kF32));
  const TemporaryFolder& folder = forms.folder;
  folder.write("chat_template.jinja", std::string((1U << 20) + 1, 'x'));
  CHECK_THAT(refusal(folder.path()), Catch::StartsWith("chat_template.jinja: has 1048577 bytes"));
  folder.remove("chat_template.jinja");
  folder.write("generation_config.json", "{");
  CHECK_THAT(refusal(folder.path()), Catch::StartsWith("generation_config.json: is not valid JSON"));
  folder.remove("generation_config.json");
  folder.write("tokenizer.json", "{}");
  CHECK_THAT(refusal(folder.path()), Catch::StartsWith("tokenizer.json"));
  folder.remove("tokenizer.json");
  CHECK(refusal(folder.path()) == "tokenizer.json: it is missing");
  folder.write("tokenizer.model", "x");
  CHECK_THAT(refusal(folder.path()), Catch::StartsWith("tokenizer.json: it is missing; other files of a tokenizer"));
  folder.write("config.json", config_json(R"(,"head_dim":17)"));
  CHECK_FALSE(refusal(folder.path()).empty());
  folder.remove("config.json");
  CHECK_THAT(refusal(folder.path()), Catch::StartsWith("config.json: it is missing"));
  CHECK_THAT(refusal(folder.path() + "/model-00001-of-00002.safetensors"),
             Catch::Contains("this is a safetensors file; give the folder it is in"));
  CHECK_THAT(refusal(folder.path() + "/model.safetensors.index.json"),
             Catch::Contains("this is a JSON file; give the folder it is in"));
}

TEST_CASE("R040: a folder is written as the GGUF file it would be") {
  TwoForms forms(shape_of(DType::kF32));
  std::string path = forms.file.path() + ".written";
  auto done = quantize_model(forms.folder.path(), path, DType::kF32, 2);
  INFO((done ? std::string() : done.error().message));
  REQUIRE(done.ok());
  auto original = GgufFile::open(forms.file.path()), written = GgufFile::open(path);
  REQUIRE(written.ok());
  CHECK_FALSE(written->metadata().has("llama.rope.half_split"));
  CHECK(*written->metadata().text("general.name") == "Tiny-0.5B");
  REQUIRE(written->tensors().all().size() == original->tensors().all().size());
  for (const auto& [name, tensor] : original->tensors().all()) {
    CAPTURE(name);
    const GgufTensor* now = written->tensors().find(name);
    REQUIRE(now != nullptr);
    CHECK(now->shape == tensor.shape);
    CHECK(std::equal(tensor.bytes.begin(), tensor.bytes.end(), now->bytes.begin(), now->bytes.end()));
  }
  LoadedModel folder = load(forms.folder.path()), again = load(path);
  CHECK(std::ranges::equal(again.card.codec->end_of_generation(), folder.card.codec->end_of_generation()));
  CHECK(*again.card.codec->tokenize("the cab", true, false) == *folder.card.codec->tokenize("the cab", true, false));
  CHECK(generate_greedy(*again.make_runner(), {1, 2, 3}, 8) == generate_greedy(*folder.make_runner(), {1, 2, 3}, 8));
  CHECK(quantize_model(forms.folder.path(), path, DType::kQ8_0, 2).ok());
  CHECK(load(path).card.quantization == "Q8_0");
  std::filesystem::remove(path);
}
