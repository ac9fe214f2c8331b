// Mutants of a valid folder's texts: config.json, the index, and the header of a weight file. Each must load or be
// refused with a clear error; none may end in a signal, nor ask for memory that its own size does not justify.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "model/architectures/architecture.hpp"
#include "model/host_engine/memory_plan.hpp"
#include "model/safetensors/safetensors_folder.hpp"
#include "model/safetensors/tensor_names.hpp"
#include "test/model/allocation_counter.hpp"
#include "test/model/folder_writer.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr int kMutants = 12000;  // of each text
constexpr int kFolders = 300;    // written to disk and opened whole

std::uint64_t seed_of_run() {
  const char* given = std::getenv("TROUPE_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 20260101;
}

// What stands in JSON, and what should not.
const char* const kPieces[] = {"{",
                               "}",
                               "[",
                               "]",
                               ",",
                               ":",
                               "\"",
                               "null",
                               "true",
                               "false",
                               "0",
                               "1",
                               "-1",
                               "1e9",
                               "1e999",
                               "0.5",
                               "[[[[",
                               "]]]]",
                               "{}",
                               "[]",
                               "\"\"",
                               "\\",
                               "\\u0",
                               "\xFF",
                               "\x00\x01",
                               "18446744073709551615",
                               "18446744073709551616",
                               "9223372036854775808",
                               "4294967296",
                               "65536",
                               "data_offsets",
                               "shape",
                               "dtype",
                               "F64",
                               "BF16",
                               "..",
                               "/",
                               " ",
                               "\n"};

std::string mutate(std::string text, std::mt19937_64& random) {
  for (std::uint64_t changes = 1 + random() % 3; changes > 0 && !text.empty(); --changes) {
    std::size_t at = random() % text.size(), length = std::min<std::size_t>(1 + random() % 24, text.size() - at);
    std::string piece = kPieces[random() % std::size(kPieces)];
    switch (random() % 6) {
      case 0:
        text[at] = static_cast<char>(text[at] ^ (1 << random() % 8));
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, piece);
        break;
      case 3:
        text.replace(at, length, piece);
        break;
      case 4:
        text.insert(at, text.substr(random() % text.size(), length));
        break;
      default: {  // a number
        std::size_t digit = text.find_first_of("0123456789", at);
        if (digit == std::string::npos) break;
        std::size_t end = text.find_first_not_of("0123456789.e+-", digit);
        text.replace(digit, (end == std::string::npos ? text.size() : end) - digit,
                     std::to_string(random() >> random() % 64));
      }
    }
  }
  return text;
}

bool is_clear(const Error& error) {
  return (error.code == ErrorCode::kModelFile || error.code == ErrorCode::kConfiguration) && error.message.size() > 8 &&
         error.message.size() < 600;
}

struct Tiny {
  Tiny() {
    TinyShape shape;
    shape.type = shape.value_type = shape.embedding_type = DType::kBF16;
    shape.layers = 1;
    shape.hidden = shape.intermediate = 32;
    shape.heads = 2;
    shape.kv_heads = 1;
    shape.tied = false;
    gguf_bytes = tiny_model(shape).bytes();
    auto gguf = parse_gguf(gguf_bytes);
    REQUIRE(gguf.ok());
    weights = as_stored(gguf->tensors, {"llama", 16, ""});
    Bytes file = safetensors_file(weights);
    auto contents = parse_safetensors(file, "x");
    REQUIRE(contents.ok());
    header.assign(reinterpret_cast<const char*>(file.data()) + 8, contents->header_bytes - 8);
    data.assign(file.begin() + static_cast<std::ptrdiff_t>(contents->header_bytes), file.end());
  }
  const std::string config =
      R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":32,"intermediate_size":32,)"
      R"("num_attention_heads":2,"num_key_value_heads":1,"head_dim":16,"num_hidden_layers":1,"hidden_act":"silu",)"
      R"("max_position_embeddings":512,"rms_norm_eps":1e-05,"rope_theta":10000.0,"tie_word_embeddings":false,)"
      R"("rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,)"
      R"("original_max_position_embeddings":64},"eos_token_id":[1,2]})";
  Bytes gguf_bytes, data;
  std::vector<StoredForTest> weights;
  std::string header;
};

// Runs `load` on mutants of `text`, and sees to their errors and their memory.
template <class Load>
void survive(const std::string& text, std::size_t more_bytes, int mutants, Load load) {
  std::uint64_t seed = seed_of_run();
  std::mt19937_64 random(seed);
  int loaded = 0;
  REQUIRE(load(text).ok());
  for (int i = 0; i < mutants; ++i) {
    std::string mutant = mutate(text, random);
    std::size_t bytes_max = 16 * (mutant.size() + more_bytes) + (128U << 10);
    start_counting();
    Status status = load(mutant);
    Allocations allocations = stop_counting();
    loaded += status.ok();
    bool clear = status.ok() || is_clear(status.error());
    if (clear && allocations.largest <= bytes_max) continue;
    INFO("TROUPE_SEED=" << seed << ", mutant " << i << " " << mutant);
    INFO("largest allocation " << allocations.largest << " " << (status.ok() ? "loaded" : status.error().message));
    CHECK(clear);
    CHECK(allocations.largest <= bytes_max);
  }
  CHECK(loaded < mutants / 2);
  CHECK(loaded > 0);
}

}  // namespace

TEST_CASE("safetensors reader survives mutants of a valid header") {
  Tiny tiny;
  survive(tiny.header, tiny.data.size(), kMutants, [&](const std::string& header) {
    auto contents = parse_safetensors(safetensors_file(header, tiny.data), "x");
    return contents ? Status() : Status(contents.error());
  });
}

TEST_CASE("config reader survives mutants of a valid config") {
  survive(Tiny().config, 0, kMutants, [&](const std::string& text) {
    auto config = read_model_config(text);
    if (!config) return Status(config.error());
    auto metadata = config->keys.parse();
    return metadata ? Status() : Status(metadata.error());
  });
}

TEST_CASE("shard index reader survives mutants of a valid index") {
  std::string index =
      R"({"metadata":{"total_size":7},"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}})";
  survive(index, 0, kMutants, [&](const std::string& text) {
    auto shards = parse_shard_index(text);
    return shards ? Status() : Status(shards.error());
  });
}

TEST_CASE("a whole folder with a mutant in it loads as a model or is refused") {
  Tiny tiny;
  TemporaryFolder folder;
  for (bool is_config : {true, false}) {
    folder.write("config.json", tiny.config);
    folder.write_weights(tiny.weights);
    survive(is_config ? tiny.config : tiny.header, tiny.data.size() + (1U << 20), kFolders,
            [&](const std::string& text) {
              if (is_config)
                folder.write("config.json", text);
              else
                folder.write("model.safetensors", safetensors_file(text, tiny.data));
              auto opened = SafetensorsFolder::open(folder.path());
              if (!opened) return Status(opened.error());
              auto model = describe_model(opened->metadata(), opened->tensors());
              if (!model) return Status(model.error());
              auto plan = plan_memory(*model, HostLimits{}, MemoryBudget{1ULL << 30, 0});
              return plan ? Status() : Status(plan.error());
            });
  }
}
