// Contract 2 on SmolLM2-135M: fewer mixes than on the tiny models, on weights and widths that are served.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>

#include "test/contracts/mix_driver.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

TEST_CASE(
    "exact_smollm2: contract 2: SmolLM2 gives the same bits in random mixes, on every instruction set and thread "
    "count") {
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
  for (const char* name : {"avx512", "avxvnni", "avx2", "i8mm", "neon"}) {
    auto kernels = select_kernels(name);
    std::printf("SmolLM2 on %s: %s\n", name, kernels.ok() ? "compared" : "NOT RUN, this CPU lacks it");
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

TEST_CASE("exact_chunks: contract 2: SmolLM2's logits after 600 tokens are the same bits in any chunks and threads") {
  auto path = real_model();
  if (!path) return skip("no model; set TROUPE_TEST_MODEL");
  constexpr std::uint32_t kTokens = 600;  // crosses two borders of spans
  std::vector<TokenId> text = ids(data_file("smollm2.txt"), "perplexity.ids");
  text.resize(kTokens);
  RowSampling greedy;
  for (KvType type : {KvType::kInt8, KvType::kF16}) {
    HostFormats formats;
    formats.kv = type;
    auto model = load_weights(*path, 2, formats);
    std::vector<float> expected;
    for (std::uint32_t threads : {1U, 2U}) {
      for (std::uint32_t chunk : {512U, 64U, 7U, 1U}) {
        if (chunk == 1 && threads == 1) continue;  // the slowest of them
        INFO("K/V in " << name_of(type) << ", chunks of " << chunk << ", threads " << threads);
        HostLimits limits;
        limits.threads = threads, limits.rows_max = 1, limits.tokens_max = 512;
        auto runner = HostStepRunner::make(model, **select_kernels(""), limits, 64);
        REQUIRE(runner.ok());
        for (std::uint32_t at = 0, step = 1; at < kTokens; at += chunk, ++step) {
          std::uint32_t count = std::min(chunk, kTokens - at);
          auto plan = std::make_shared<StepPlan>();
          plan->step = step;
          add_row(*plan, 1, at, {text.begin() + at, text.begin() + at + count}, 0,
                  at + count == kTokens ? &greedy : nullptr);
          run_plan(**runner, plan);
        }
        auto logits = (*runner)->last_logits(0);
        if (expected.empty()) expected.assign(logits.begin(), logits.end());
        CHECK(std::equal(logits.begin(), logits.end(), expected.begin(), expected.end(), [](float a, float b) {
          return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
        }));
      }
    }
  }
}
