#include "model/load_model.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <thread>

#include "runtime/cpu_topology.hpp"
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

TEST_CASE("load_model refuses MXFP4 weights with a scale that is no number") {
  GgufWriter file = tiny_model_with_tokenizer({});
  Bytes blocks = random_blocks(DType::kMxfp4, 64 * 128, 0.1F, 3);
  blocks[17 * 5] = 255;  // E8M0's NaN
  file.without_tensor("blk.0.ffn_down.weight").tensor("blk.0.ffn_down.weight", {128, 64}, 39, blocks);
  TemporaryFile on_disk(file.bytes());
  auto loaded = load_model(on_disk.path(), options());
  REQUIRE_FALSE(loaded.ok());
  CHECK(loaded.error().code == ErrorCode::kModelFile);
  CHECK_THAT(loaded.error().message, Catch::Contains("blk.0.ffn_down.weight: ") && Catch::Contains("is not finite"));
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

TEST_CASE("a chat template given beside the file is used instead of the file's own") {
  GgufWriter writer = tiny_model_with_tokenizer({});
  writer.text("tokenizer.chat_template", "a\n{% fro m in messages %}");
  TemporaryFile file(writer.bytes());
  LoadOptions o = options();
  o.chat_template = "<{{ messages[0].content }}>";
  auto loaded = load_model(file.path(), o);
  auto checked = check_model(file.path(), {}, {8ULL << 30, 0}, o.chat_template);
  REQUIRE(loaded.ok());
  REQUIRE(checked.ok());
  for (const auto& codec : {loaded->card.codec, checked->card.codec}) {
    auto tokens = codec->tokenize_chat({{{"user", "ab", ""}}, true});
    REQUIRE(tokens.ok());
    CHECK(codec->detokenize(*tokens, true) == "<ab>");
  }
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

TEST_CASE("R042: without preload a model is packed by its first step, and gives the same tokens") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes(), "tiny-1M.gguf");
  LoadOptions lazy = options();
  lazy.preload = false;
  std::vector<double> progress;
  lazy.progress = [&](double fraction) { progress.push_back(fraction); };
  auto eager = load_model(file.path(), options());
  auto loaded = load_model(file.path(), lazy);
  REQUIRE((eager.ok() && loaded.ok()));
  CHECK(loaded->weights == nullptr);
  CHECK(loaded->card.numerics_class == eager->card.numerics_class);
  auto runner = loaded->make_runner(), second = loaded->make_runner(), expected = eager->make_runner();
  REQUIRE((runner && second && expected));
  CHECK(progress.empty());
  CHECK(runner->info().numerics_class == expected->info().numerics_class);
  CHECK(runner->info().device == expected->info().device);
  CHECK(runner->info().blocks_total == expected->info().blocks_total);
  CHECK(runner->info().rows_max == expected->info().rows_max);
  CHECK(runner->info().tokens_max == expected->info().tokens_max);
  CHECK(runner->info().context_length == expected->info().context_length);
  CHECK(runner->info().vocab_size == expected->info().vocab_size);
  CHECK(runner->info().steps_in_flight == expected->info().steps_in_flight);
  auto tokens = generate_greedy(*expected, {1, 2, 3}, 4);
  std::atomic<int> alive = 0;
  runner->say_alive_to([&] { ++alive; });
  CHECK(generate_greedy(*runner, {1, 2, 3}, 4) == tokens);
  REQUIRE_FALSE(progress.empty());
  CHECK(alive > 10);  // a tensor at a time
  std::size_t once = progress.size();
  CHECK(generate_greedy(*second, {1, 2, 3}, 4) == tokens);
  CHECK(progress.size() == once);
}

TEST_CASE("R042: a weight that is broken is an error of the first step, where nobody looked before") {
  GgufWriter writer = tiny_model_with_tokenizer({});
  Bytes bytes = writer.bytes();
  std::fill(bytes.end() - 4096, bytes.end(), std::uint8_t{0xFF});  // scales that are NaN
  TemporaryFile file(bytes, "tiny-1M.gguf");
  LoadOptions lazy = options();
  lazy.preload = false;
  REQUIRE_FALSE(load_model(file.path(), options()).ok());
  auto loaded = load_model(file.path(), lazy);
  REQUIRE(loaded.ok());
  auto runner = loaded->make_runner();
  REQUIRE(runner);
  auto plan = std::make_shared<StepPlan>();
  RowSampling greedy;
  plan->step = 1;
  add_row(*plan, 1, 0, {1}, 0, &greedy);
  int called = 0;
  runner->submit(plan, [&](const Result<StepResult>& result) {
    ++called;
    REQUIRE_FALSE(result.ok());
    CHECK_THAT(result.error().message, Catch::Contains("is not finite"));
  });
  CHECK(called == 1);
}

TEST_CASE("R044: warm-up steps run before anybody uses the first runner, and change nothing") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes(), "tiny-1M.gguf");
  LoadOptions warm = options();
  warm.warmup_samples = 5;
  auto cold = load_model(file.path(), options());
  auto loaded = load_model(file.path(), warm);
  REQUIRE((cold.ok() && loaded.ok()));
  auto runner = loaded->make_runner(), expected = cold->make_runner();
  CHECK(generate_greedy(*runner, {1, 2, 3}, 6) == generate_greedy(*expected, {1, 2, 3}, 6));
}

TEST_CASE("R043: memory is pinned where the system allows it, and a refusal is only a warning") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes(), "tiny-1M.gguf");
  LoadOptions pinned = options();
  pinned.pin_memory = true;
  std::uint64_t bytes = 0;
  pinned.pinned = [&](std::uint64_t more) { bytes += more; };
  auto loaded = load_model(file.path(), pinned);
  REQUIRE(loaded.ok());
  auto runner = loaded->make_runner();
  REQUIRE(runner);
  CHECK(generate_greedy(*runner, {1, 2, 3}, 2).size() == 2);
  std::uint64_t all = loaded->weights->weights_bytes + loaded->memory.kv_bytes();
  INFO(bytes << " of " << all << " bytes are pinned");
  CHECK((bytes == 0 || bytes >= loaded->weights->weights_bytes));
}

TEST_CASE("compute.pin: pinned threads pack the same weights, and whoever loads them stays free") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes(), "tiny-1M.gguf");
  LoadOptions pinned = options();
  const std::vector<LogicalCpu> cpus = allowed_cpus();
  for (std::uint32_t thread = 0; thread < pinned.limits.threads; ++thread)
    pinned.limits.pins.push_back(cpus[thread % cpus.size()].cpu);
  std::vector<double> progress;
  pinned.progress = [&](double fraction) { progress.push_back(fraction); };
  auto loaded = load_model(file.path(), pinned);
  auto free = load_model(file.path(), options());
  REQUIRE((loaded.ok() && free.ok()));
  CHECK(allowed_cpus().size() == cpus.size());
  CHECK(loaded->card.numerics_class == free->card.numerics_class);
  REQUIRE_FALSE(progress.empty());
  CHECK(progress.back() == 1.0);
  const HostLayer& layer = loaded->weights->layers.back();
  const HostLayer& expected = free->weights->layers.back();
  CHECK(std::memcmp(layer.down.data, expected.down.data, layer.down.tiles * layer.down.tile_bytes) == 0);
  // The steps of the pinned runner pin the thread that calls them.
  std::vector<TokenId> tokens;
  std::thread([&] { tokens = generate_greedy(*loaded->make_runner(), {1, 2, 3}, 4); }).join();
  CHECK(tokens == generate_greedy(*free->make_runner(), {1, 2, 3}, 4));
}

TEST_CASE("R047: with preallocation all K/V memory is there before the first request") {
  TemporaryFile file(tiny_model_with_tokenizer({}).bytes(), "tiny-1M.gguf");
  auto resident = [] {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t size = 0, pages = 0;
    statm >> size >> pages;
    return pages * 4096;
  };
  LoadOptions o = options();
  o.memory.kv_bytes = 64U << 20;
  o.limits.preallocate = true;
  auto loaded = load_model(file.path(), o);
  REQUIRE(loaded.ok());
  std::uint64_t before = resident();
  auto runner = loaded->make_runner();
  REQUIRE(runner);
  CHECK(resident() - before > 60U << 20);
  o.limits.preallocate = false;
  auto other = load_model(file.path(), o);
  before = resident();
  auto sparse = other->make_runner();
  CHECK(resident() - before < 32U << 20);
}
