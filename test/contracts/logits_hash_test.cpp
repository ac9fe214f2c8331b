// Contract 2: within a numerics class the logits of a position have the same bits whatever the batch, the order, the
// chunks, the blocks, a prefix hit, a preemption, a restart, the threads or the instruction set.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "test/contracts/mix_driver.hpp"
#include "test/gpu/kernel_tables.hpp"
#include "test/gpu/mutated_kernels.hpp"
#include "test/model/golden.hpp"
#include "test/model/tiny_model.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

std::uint64_t base_seed() {
  const char* given = std::getenv("TROUPE_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}

// Every instruction set of this CPU; portable first.
std::vector<const HostKernels*> all_kernels() {
  std::vector<const HostKernels*> tables;
  for (const char* name : {"portable", "avx2", "avxvnni", "avx512", "neon", "i8mm"})
    if (auto kernels = select_kernels(name)) tables.push_back(*kernels);
  return tables;
}

MakeRunner maker(const std::shared_ptr<const HostModel>& model, const HostKernels& kernels, std::uint32_t threads,
                 std::uint32_t blocks) {
  HostLimits limits;
  limits.threads = threads, limits.rows_max = 12, limits.tokens_max = 96;
  return [=, &kernels]() -> std::unique_ptr<StepRunner> {
    auto runner = HostStepRunner::make(model, kernels, limits, blocks);
    REQUIRE(runner.ok());
    return std::move(*runner);
  };
}

// Sequences with and without common beginnings, greedy, sampled, and sampled with penalties.
std::vector<TestSequence> make_sequences(std::uint32_t count, std::uint32_t prompt_max, std::uint32_t output,
                                         std::uint32_t vocab, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TokenId> common;
  common.reserve(40);
  for (int i = 0; i < 40; ++i) common.push_back(static_cast<TokenId>(random() % vocab));
  std::vector<TestSequence> sequences;
  for (std::uint32_t i = 0; i < count; ++i) {
    TestSequence sequence;
    sequence.id = 100 + i;
    if (i % 2 == 0)
      sequence.prompt.assign(common.begin(), common.begin() + static_cast<std::ptrdiff_t>(17 + random() % 24));
    std::size_t size = sequence.prompt.size() + 1 + random() % prompt_max;
    while (sequence.prompt.size() < size) sequence.prompt.push_back(static_cast<TokenId>(random() % vocab));
    sequence.output_count = output;
    if (i % 3 > 0) {
      sequence.how.temperature = 0.9F, sequence.how.top_p = 0.95F, sequence.how.seed = seed * 31 + i;
    }
    if (i % 3 > 1) {
      sequence.how.repetition_penalty = 1.2F, sequence.how.presence_penalty = 0.3F,
      sequence.how.frequency_penalty = 0.2F;
    }
    sequences.push_back(sequence);
  }
  return sequences;
}

std::shared_ptr<const HostModel> tiny(const TinyShape& shape) {
  return load_weights(TemporaryFile(tiny_model(shape).bytes()).path(), 1);
}

std::optional<std::string> golden_file(const std::string& name) { return shared_file("golden/" + name + ".gguf"); }

std::vector<std::shared_ptr<const HostModel>> tiny_models() {
  std::vector<std::shared_ptr<const HostModel>> models;
  auto add = [&](DType type, DType value_type, std::uint32_t hidden, std::uint32_t heads, std::uint32_t kv_heads,
                 std::uint32_t head_dim) {
    TinyShape shape;
    shape.type = type, shape.value_type = value_type, shape.hidden = hidden;
    shape.heads = heads, shape.kv_heads = kv_heads, shape.head_dim = head_dim;
    shape.intermediate = format_of(type).block_elements == 256 ? 256 : 96;
    shape.seed = models.size() + 1;
    shape.tied = false;  // tied random models repeat one token
    models.push_back(tiny(shape));
  };
  add(DType::kQ4_1, DType::kQ4_1, 64, 4, 2, 16);
  add(DType::kQ4_0, DType::kQ8_0, 64, 3, 1, 32);
  add(DType::kQ8_0, DType::kQ8_0, 96, 2, 2, 64);
  add(DType::kQ6_K, DType::kQ6_K, 256, 4, 1, 64);
  add(DType::kQ4_K, DType::kQ5_K, 256, 4, 1, 64);
  add(DType::kQ3_K, DType::kIq4Xs, 256, 4, 1, 64);
  add(DType::kF16, DType::kF16, 64, 4, 2, 32);
  add(DType::kQ8_0, DType::kBF16, 64, 4, 2, 32);
  // Every architecture, with codes and K/V in int8; as floats; and mixed.
  HostFormats int8, int4;
  int8.weights = WeightsAs::kInt8;
  int4.weights = WeightsAs::kInt4;
  int4.kv = KvType::kF16;
  for (const char* name : {"llama_plain", "llama_l3freqs", "qwen2", "qwen3", "phi3_short", "gemma3"})
    if (auto golden = golden_file(name)) models.push_back(load_weights(*golden, 1, int8));
  for (const char* name : {"llama_plain", "gemma3"}) {
    auto golden = golden_file(name);
    if (!golden) continue;
    models.push_back(load_weights(*golden));
    models.push_back(load_weights(*golden, 1, int4));
  }
  return models;
}

}  // namespace

TEST_CASE("exact_mixes: contract 2: random mixes give the logits of each sequence alone, bit for bit") {
  std::vector<std::shared_ptr<const HostModel>> models = tiny_models();
  std::vector<const HostKernels*> tables = all_kernels();
  constexpr std::uint32_t kSets = 1;  // of sequences, for each model
  struct Expected {
    std::vector<TestSequence> sequences;
    Record record;
  };
  std::vector<Expected> expected;
  for (const auto& model : models) {
    for (std::uint32_t set = 0; set < kSets; ++set) {
      auto sequences = make_sequences(6, 30, 10, model->hyper.vocab_size, 7 + set);
      Record record = record_alone(maker(model, kPortableKernels, 1, 64), sequences);
      expected.push_back({std::move(sequences), std::move(record)});
    }
  }

  Comparison sum;
  for (std::uint64_t mix = 0; mix < TROUPE_MIXES; ++mix) {
    std::uint64_t seed = base_seed() + mix;
    std::size_t which = mix % expected.size();
    const HostKernels& kernels = *tables[mix / expected.size() % tables.size()];
    std::uint32_t threads = 1 + mix % 2, blocks = seed % 3 == 0 ? 16 : 64;
    INFO("TROUPE_SEED=" << seed << ", model " << which / kSets << ", " << kernels.name << ", threads " << threads);
    Comparison found = run_mix(maker(models[which / kSets], kernels, threads, blocks), expected[which].sequences,
                               expected[which].record, seed);
    CHECK(found.rows_differing == 0);
    CHECK(found.tokens_differing == 0);
    sum.rows += found.rows, sum.preemptions += found.preemptions, sum.shared_blocks += found.shared_blocks;
    sum.restarts += found.restarts, sum.handed_over += found.handed_over;
  }
  std::printf(
      "%d mixes, %zu instruction sets: %llu rows, %llu preemptions, %llu shared blocks, %llu restarts, %llu handed "
      "over\n",
      TROUPE_MIXES, tables.size(), static_cast<unsigned long long>(sum.rows),
      static_cast<unsigned long long>(sum.preemptions), static_cast<unsigned long long>(sum.shared_blocks),
      static_cast<unsigned long long>(sum.restarts), static_cast<unsigned long long>(sum.handed_over));
  CHECK(sum.preemptions > 0);
  CHECK(sum.shared_blocks > 0);
  CHECK(sum.restarts > 0);
  CHECK(sum.handed_over > 0);
}

TEST_CASE("exact_control: contract 2: the comparison turns red when a result depends on the batch") {
  TinyShape shape;
  shape.hidden = 128, shape.intermediate = 256;  // the defect splits rows longer than 64
  auto model = tiny(shape);
  HostKernels defective = mutated_kernels();
  auto sequences = make_sequences(6, 30, 10, model->hyper.vocab_size, 7);
  Record record = record_alone(maker(model, defective, 1, 64), sequences);
  Comparison found = run_mix(maker(model, defective, 1, 64), sequences, record, 3);
  CHECK(found.rows_differing > found.rows / 4);
}

TEST_CASE("exact_cuts: contract 2: cut at any token, the rest follows from the request and the tokens so far") {
  for (const auto& model : tiny_models()) {
    auto make_runner = maker(model, **select_kernels(""), 2, 64);
    auto sequences = make_sequences(3, 20, 12, model->hyper.vocab_size, 5);  // greedy, sampled, with penalties
    Record record = record_alone(make_runner, sequences);
    for (const TestSequence& sequence : sequences) {
      const SequenceRecord& whole = record.at(sequence.id);
      for (std::size_t cut = 0; cut < whole.output.size(); ++cut) {
        INFO("sequence " << sequence.id << " cut after " << cut);
        auto runner = make_runner();
        std::vector<TokenId> emitted(whole.output.begin(), whole.output.begin() + static_cast<std::ptrdiff_t>(cut));
        SequenceRecord rest = record_rest(*runner, sequence, emitted);
        CHECK(rest.output == whole.output);
        for (auto [position, hash] : rest.hashes) CHECK(hash == whole.hashes.at(position));
      }
    }
  }
}

TEST_CASE("exact_seeds: contract 2: seeds and choices differ, equal ones do not") {
  TinyShape shape;
  shape.tied = false;
  auto model = tiny(shape);
  auto make_runner = maker(model, **select_kernels(""), 1, 64);
  std::vector<TestSequence> sequences(4);
  for (std::uint32_t i = 0; i < 4; ++i) {
    sequences[i].id = i + 1;
    sequences[i].prompt = {3, 1, 4, 1, 5};
    sequences[i].output_count = 20;
    sequences[i].how.temperature = 1.0F;
    sequences[i].how.seed = i == 1 ? 8 : 7;
    sequences[i].how.choice = i == 2 ? 1 : 0;
  }
  Record record = record_alone(make_runner, sequences);
  CHECK(record.at(1).output != record.at(2).output);
  CHECK(record.at(1).output != record.at(3).output);
  CHECK(record.at(1).output == record.at(4).output);
}

TEST_CASE("exact_hash: contract 2: fixed models give the logits they gave when numerics version TX1 was fixed") {
  REQUIRE(std::string(kNumericsVersion) == "TX1");  // a new version gets new numbers here
  auto hash_of = [](const std::shared_ptr<const HostModel>& model, const HostKernels& kernels) {
    std::uint64_t hash = 0;
    auto sequences = make_sequences(3, 30, 10, model->hyper.vocab_size, 1);
    for (const auto& [id, sequence] : record_alone(maker(model, kernels, 1, 64), sequences))
      for (auto [position, logits_hash] : sequence.hashes) hash = (hash ^ logits_hash) * 0x100000001B3;
    return hash;
  };
  struct Case {
    DType type;
    WeightsAs weights;
    std::uint64_t hash;
  };
  // Codes; floats; floats that are quantised at load.
  for (const Case& c : {Case{DType::kQ4_1, WeightsAs::kFile, 0xA8D5D3869ECBF347},
                        Case{DType::kF16, WeightsAs::kFile, 0xDBE7F987EBC4307C},
                        Case{DType::kF32, WeightsAs::kInt4, 0x06082C678A80C73C}}) {
    TinyShape shape;
    shape.tied = false;
    shape.type = shape.value_type = c.type;
    HostFormats formats;
    formats.weights = c.weights;
    auto model = load_weights(TemporaryFile(tiny_model(shape).bytes()).path(), 1, formats);
    std::vector<const HostKernels*> tables = tested_kernels();  // what this CPU lacks is emulated
    tables.push_back(&kPortableKernels);
    for (const HostKernels* kernels : tables) {
      INFO(kernels->name << ", " << format_of(c.type).name);
      CHECK(hash_of(model, *kernels) == c.hash);
    }
  }
  struct Golden {
    const char* name;
    std::uint64_t hash;
  };
  HostFormats int8;
  int8.weights = WeightsAs::kInt8;
  for (const Golden& c : {Golden{"qwen2", 0x5D62F39F6ED91ECD}, Golden{"qwen3", 0x5087425A9ECC4024},
                          Golden{"phi3_short", 0x2495346E7F51CBDB}, Golden{"gemma3", 0x3653059D5A5EB841}}) {
    auto golden = golden_file(c.name);
    if (!golden) return skip("no golden/ folder; set TROUPE_SHARED_DIR");
    auto model = load_weights(*golden, 1, int8);
    std::vector<const HostKernels*> tables = tested_kernels();
    tables.push_back(&kPortableKernels);
    for (const HostKernels* kernels : tables) {
      INFO(kernels->name << ", " << c.name);
      CHECK(hash_of(model, *kernels) == c.hash);
    }
  }
}
