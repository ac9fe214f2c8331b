// Contract 2 on SmolLM2-135M: fewer mixes than on the tiny models, on weights and widths that are served.
#include <catch2/catch.hpp>

#include "test/contracts/mix_driver.hpp"
#include "test/model/golden.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

TEST_CASE("contract 2: SmolLM2 gives the same bits in random mixes, on every instruction set and thread count") {
  auto path = real_model();
  if (!path) return skip("no model; set TROUPE_TEST_MODEL");
  auto model = load_weights(*path, 2);
  auto maker = [&](const HostKernels& kernels, std::uint32_t threads) -> MakeRunner {
    HostLimits limits;
    limits.threads = threads, limits.rows_max = 12, limits.tokens_max = 128;
    return [&kernels, limits, model]() -> std::unique_ptr<StepRunner> {
      auto runner = HostStepRunner::make(model, kernels, limits, 96);
      REQUIRE(runner.ok());
      return std::move(*runner);
    };
  };
  auto sequences_of = [&](std::size_t prompts, std::size_t prompt_max, std::uint32_t output) {
    std::vector<TestSequence> sequences;
    for (std::size_t i = 0; i < prompts; ++i) {
      TestSequence sequence;
      sequence.id = i + 1;
      sequence.prompt = ids(data_file("smollm2.txt"), std::to_string(i) + ".ids");
      sequence.prompt.resize(std::min(sequence.prompt.size(), prompt_max));
      sequence.output_count = output;
      if (i % 2 == 1) sequence.how.temperature = 0.8F, sequence.how.top_k = 40, sequence.how.repetition_penalty = 1.1F;
      sequence.how.seed = i;
      sequences.push_back(sequence);
    }
    return sequences;
  };

  std::vector<TestSequence> sequences = sequences_of(6, 80, 12);
  const HostKernels& best = **select_kernels("");
  Record record = record_alone(maker(best, 1), sequences);
  for (const char* name : {"avx512", "avx2"}) {
    auto kernels = select_kernels(name);
    if (!kernels) continue;
    for (std::uint64_t mix = 0; mix < 4; ++mix) {
      INFO(name << ", seed " << mix);
      Comparison found = run_mix(maker(**kernels, 1 + mix % 2), sequences, record, mix);
      CHECK(found.rows_differing == 0);
      CHECK(found.tokens_differing == 0);
    }
  }
  // The definition itself, slower: shorter sequences.
  std::vector<TestSequence> few = sequences_of(2, 24, 3);
  Comparison found = run_mix(maker(kPortableKernels, 2), few, record_alone(maker(best, 2), few), 9);
  CHECK(found.rows_differing == 0);
}
