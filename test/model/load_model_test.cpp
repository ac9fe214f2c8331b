#include "model/load_model.hpp"

#include <catch2/catch.hpp>

#include "runtime/log.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/model/tiny_model.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

LoadOptions options() {
  LoadOptions o;
  o.limits.threads = 2;
  o.memory.available_bytes = 2ULL << 30;
  o.kernels = *select_kernels("");
  return o;
}

std::string refusal(const GgufWriter& file) {
  TemporaryFile on_disk(file.bytes());
  auto loaded = load_model(on_disk.path(), options());
  auto checked = check_model(on_disk.path(), options().limits, options().memory);
  REQUIRE_FALSE(loaded.ok());
  REQUIRE_FALSE(checked.ok());
  CHECK(loaded.error().message == checked.error().message);
  CHECK_THAT(loaded.error().message, Catch::StartsWith("cannot load model '" + on_disk.path() + "': "));
  return loaded.error().message;
}

}  // namespace

TEST_CASE("load_model gives weights, codec, card and runners") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes(), "tiny-1M.gguf");
  LoadOptions o = options();
  std::vector<double> progress;
  o.progress = [&](double fraction) { progress.push_back(fraction); };
  auto loaded = load_model(file.path(), o);
  INFO((loaded ? std::string() : loaded.error().message));
  REQUIRE(loaded.ok());
  CHECK(loaded->card.name == "tiny-1M");
  CHECK(loaded->general_name == "tiny");
  CHECK(loaded->card.architecture == "llama");
  CHECK(loaded->card.quantization == "Q4_1");
  CHECK(loaded->card.context_length == 512);
  CHECK(loaded->card.vocab_size == 264);
  CHECK(loaded->card.created_s > 0);
  CHECK(loaded->card.codec->vocab_size() == 264);
  CHECK(loaded->card.numerics_class == loaded->weights->numerics_class);
  REQUIRE_FALSE(progress.empty());
  CHECK(progress.back() == 1.0);
  CHECK(std::is_sorted(progress.begin(), progress.end()));
  auto runner = loaded->make_runner(), second = loaded->make_runner();
  REQUIRE(runner);
  CHECK(runner->info().blocks_total == loaded->memory.kv_blocks);
  CHECK(generate_greedy(*runner, {1, 2, 3}, 4) == generate_greedy(*second, {1, 2, 3}, 4));
}

TEST_CASE("load_model serves a shorter context when asked to") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes());
  LoadOptions o = options();
  o.limits.context = 100;
  auto loaded = load_model(file.path(), o);
  REQUIRE(loaded.ok());
  CHECK(loaded->card.context_length == 100);
  CHECK(loaded->make_runner()->info().context_length == 100);
}

TEST_CASE("load_model refuses with one line that names file, field and reason") {
  CHECK_THAT(load_model("/nowhere/x.gguf", options()).error().message,
             Catch::Equals("cannot load model '/nowhere/x.gguf': file: No such file or directory"));
  CHECK_THAT(refusal(tiny_model({})), Catch::Contains("tokenizer.ggml.model: is missing"));
  auto with = [](const char* key) { return tiny_model_with_tokenizer({}).without(key); };
  CHECK_THAT(refusal(with("tokenizer.ggml.tokens").strings("tokenizer.ggml.tokens", {"a"})),
             Catch::Contains("tokenizer.ggml.tokens: has 1 entries; token_embd.weight has 264 rows"));
  CHECK_THAT(refusal(with("tokenizer.ggml.token_type").integers("tokenizer.ggml.token_type", {1, 1})),
             Catch::Contains("tokenizer.ggml.token_type: has 2 entries"));
  CHECK_THAT(refusal(with("tokenizer.ggml.bos_token_id").u32("tokenizer.ggml.bos_token_id", 264)),
             Catch::Contains("tokenizer.ggml.bos_token_id: is 264; it must be 0 to 263"));
  CHECK_THAT(refusal(with("tokenizer.ggml.pre").text("tokenizer.ggml.pre", "no-such")), Catch::Contains("tokenizer"));
  CHECK_THAT(refusal(with("tokenizer.ggml.tokens").text("tokenizer.ggml.tokens", "x")),
             Catch::Contains("not an array"));
}

TEST_CASE("load_model refuses weights whose scales are not finite") {
  GgufWriter file = tiny_model_with_tokenizer({});
  Bytes blocks = random_blocks(DType::kQ4_1, 64 * 128, 0.1F, 3);
  blocks[40] = 0, blocks[41] = 0x7C;  // infinity as a half
  file.without_tensor("blk.0.ffn_down.weight").tensor("blk.0.ffn_down.weight", {128, 64}, 3, blocks);
  TemporaryFile on_disk(file.bytes());
  auto loaded = load_model(on_disk.path(), options());
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().code == ErrorCode::kModelFile);
  CHECK_THAT(loaded.error().message, Catch::Contains("blk.0.ffn_down.weight: "));
}

TEST_CASE("load_model refuses a model that does not fit") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes());
  LoadOptions o = options();
  o.memory.available_bytes = 1000;
  auto loaded = load_model(file.path(), o);
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().code == ErrorCode::kConfiguration);
  CHECK_THAT(loaded.error().message, Catch::Contains("are available"));
}

TEST_CASE("a model whose chat template does not compile loads with a warning and refuses chats") {
  GgufWriter writer = tiny_model_with_tokenizer({});
  writer.text("tokenizer.chat_template", "a\n{% fro m in messages %}");
  TemporaryFile file(writer.bytes());
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel level, std::string_view, std::string_view message) {
    if (level == LogLevel::kWarning) warnings.emplace_back(message);
  });
  auto checked = check_model(file.path(), {}, {8ULL << 30, 0});
  auto loaded = load_model(file.path(), options());
  set_log_sink({});
  REQUIRE(checked.ok());
  REQUIRE(loaded.ok());
  REQUIRE(warnings.size() == 2);
  CHECK_THAT(warnings[0], Catch::Contains(file.path()) && Catch::Contains("line 2: unknown statement 'fro'"));
  CHECK(warnings[1] == warnings[0]);
  CHECK(loaded->card.codec->tokenize("a", false, false).ok());
  Error refusal = loaded->card.codec->tokenize_chat({{{"user", "a", ""}}, true}).error();
  CHECK(refusal.code == ErrorCode::kUnsupported);
  CHECK_THAT(refusal.message, Catch::Contains("line 2: unknown statement 'fro'"));
}

TEST_CASE("check_model reads the real model's card") {
  auto path = real_model();
  if (!path) return skip("no model; set TROUPE_TEST_MODEL");
  auto checked = check_model(*path, {}, {8ULL << 30, 0});
  INFO((checked ? std::string() : checked.error().message));
  REQUIRE(checked.ok());
  CHECK(checked->card.quantization == "Q4_1");
  CHECK(checked->card.context_length == 8192);
  CHECK(checked->card.vocab_size == 49152);
  CHECK(checked->card.codec->chat_template_status().ok());
  CHECK(checked->general_name == "Smollm2 135M 8k Lc100K Mix1 Ep2");
}
