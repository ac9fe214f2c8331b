// Contract 2 for embeddings: the bits of a vector are those of its input, whatever the batch, the chunks, the blocks, a
// prefix hit, a preemption, a restart, the threads or the instruction set.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <tuple>

#include "model/host_engine/host_step_runner.hpp"
#include "test/gpu/mutated_kernels.hpp"
#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/model/tiny_model.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t kBlocks = 96;
constexpr std::uint32_t kRows = 8;

struct Input {
  std::vector<TokenId> tokens;
  Pooling pooling = Pooling::kMean;
};

std::vector<Input> some_inputs(std::uint32_t vocab) {
  std::mt19937 random(5);
  std::vector<Input> inputs;
  for (std::size_t size : {1U, 5U, 16U, 33U, 70U}) {
    Input input;
    while (input.tokens.size() < size) input.tokens.push_back(static_cast<TokenId>(random() % vocab));
    inputs.push_back(input);
    input.pooling = Pooling::kLast;
    inputs.push_back(input);
  }
  return inputs;
}

std::unique_ptr<HostStepRunner> runner_of(const std::shared_ptr<const HostModel>& model, const HostKernels& kernels,
                                          std::uint32_t threads) {
  HostLimits limits;
  limits.threads = threads, limits.rows_max = kRows, limits.tokens_max = 96;
  auto runner = HostStepRunner::make(model, kernels, limits, kBlocks);
  REQUIRE(runner.ok());
  return std::move(*runner);
}

std::vector<std::shared_ptr<const HostModel>> tiny_models() {
  std::vector<std::shared_ptr<const HostModel>> models;
  // Codes, a mixed file, floats.
  for (auto [type, value_type, hidden] : {std::tuple{DType::kQ4_1, DType::kQ4_1, 64U},
                                          {DType::kQ4_0, DType::kQ8_0, 96U},
                                          {DType::kF16, DType::kF16, 64U}}) {
    TinyShape shape;
    shape.type = type, shape.value_type = value_type, shape.hidden = hidden;
    shape.intermediate = 96;
    shape.seed = models.size() + 1;
    models.push_back(load_weights(TemporaryFile(tiny_model(shape).bytes()).path()));
  }
  return models;
}

bool has_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// The definition: portable, one thread, a position a step.
std::vector<std::vector<float>> vectors_alone(const std::shared_ptr<const HostModel>& model, const HostKernels& kernels,
                                              const std::vector<Input>& inputs) {
  auto runner = runner_of(model, kernels, 1);
  std::vector<std::vector<float>> vectors;
  for (const Input& input : inputs) vectors.push_back(embed_alone(*runner, input.tokens, input.pooling, 1));
  return vectors;
}

// Inputs in one random schedule, beside rows that generate: random chunks, sums and blocks; an input may lose all it
// has, or, when only its last position counts, all but some of its blocks.
struct Mix {
  struct Running {
    std::size_t input = 0;
    std::uint32_t computed = 0;
    std::uint32_t sum = 0;
    std::uint32_t first_block = 0;
    bool is_done = false;
  };

  Mix(HostStepRunner& the_runner, const std::vector<Input>& the_inputs, std::uint64_t seed)
      : runner(the_runner), inputs(the_inputs), random(seed) {}

  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random() % bound); }

  void run(const std::function<void(std::size_t, const std::vector<float>&)>& found) {
    std::vector<Running> all(inputs.size());
    std::vector<std::uint32_t> sums = {0, 1, 2, 3, 4, 5};  // six run at a time
    std::shuffle(sums.begin(), sums.end(), random);
    for (std::size_t first = 0; first < all.size(); first += sums.size()) {
      std::vector<Running> some;
      for (std::size_t i = 0; i < sums.size() && first + i < all.size(); ++i) {
        some.push_back({first + i, 0, sums[i], 12 + 7 * sums[i], false});
      }
      while (std::any_of(some.begin(), some.end(), [](const Running& one) { return !one.is_done; })) step(some, found);
    }
  }

  void step(std::vector<Running>& some, const std::function<void(std::size_t, const std::vector<float>&)>& found) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = ++steps;
    RowSampling sampled;
    sampled.temperature = 0.9F, sampled.seed = steps;
    if (below(3) > 0) add_row(*plan, 900, 0, std::vector<TokenId>(1 + below(20), 3), 0, &sampled);
    std::vector<Running*> order;
    for (Running& one : some)
      if (!one.is_done) order.push_back(&one);
    std::shuffle(order.begin(), order.end(), random);
    std::vector<std::pair<Running*, std::size_t>> rows;
    for (Running* one : order) {
      if (below(4) == 0) continue;
      const Input& input = inputs[one->input];
      if (below(10) == 0) lose(*one, input);
      auto left = static_cast<std::uint32_t>(input.tokens.size()) - one->computed;
      auto room = runner.info().tokens_max - static_cast<std::uint32_t>(plan->tokens.size());
      std::uint32_t count = std::min({left, room, 1 + below(30)});
      if (count == 0) continue;
      rows.emplace_back(one, plan->rows.size());
      add_input(*plan, 1 + one->input, input.tokens, one->computed, count, one->first_block, input.pooling, one->sum);
    }
    if (below(3) == 0 && plan->tokens.size() + 2 <= runner.info().tokens_max) {
      add_row(*plan, 901, 0, {5, 6}, 4, &sampled);
    }
    if (plan->rows.empty()) return;
    StepResult result = run_plan(runner, plan);
    for (auto [one, row] : rows) {
      one->computed += plan->rows[row].tokens.count;
      if (plan->rows[row].is_end == 0) continue;
      one->is_done = true;
      found(one->input, vector_of(result, row));
    }
  }

  void lose(Running& one, const Input& input) {
    std::uint32_t kept = input.pooling == Pooling::kLast ? below(one.computed / kBlockSize + 1) : 0;
    losses += one.computed > 0 ? 1 : 0;
    one.computed = kept * kBlockSize;
  }

  HostStepRunner& runner;
  const std::vector<Input>& inputs;
  std::mt19937_64 random;
  std::uint64_t steps = 1000;
  int losses = 0;
};

}  // namespace

TEST_CASE("exact_embeddings: contract 2: an input alone has one vector, whatever the chunks, threads and kernels") {
  for (const auto& model : tiny_models()) {
    std::vector<Input> inputs = some_inputs(model->hyper.vocab_size);
    auto expected = vectors_alone(model, kPortableKernels, inputs);
    for (const char* name : {"portable", "avx2", "avx512", "neon"}) {
      auto kernels = select_kernels(name);
      if (!kernels) continue;
      for (std::uint32_t threads : {1U, 2U}) {
        auto runner = runner_of(model, **kernels, threads);
        for (std::uint32_t chunk : {1U, 7U, 64U}) {
          for (std::size_t i = 0; i < inputs.size(); ++i) {
            INFO(name << ", threads " << threads << ", chunk " << chunk << ", input " << i);
            CHECK(has_same_bits(embed_alone(*runner, inputs[i].tokens, inputs[i].pooling, chunk), expected[i]));
          }
        }
      }
    }
  }
}

TEST_CASE("exact_embeddings_mixed: contract 2: in random mixes with others, losses and prefix hits the bits stay") {
  const char* given = std::getenv("TROUPE_SEED");
  std::uint64_t base = given ? std::strtoull(given, nullptr, 10) : 1;
  int losses = 0, vectors = 0;
  std::uint64_t mix = 0;
  for (const auto& model : tiny_models()) {
    std::vector<Input> inputs = some_inputs(model->hyper.vocab_size);
    auto expected = vectors_alone(model, kPortableKernels, inputs);
    for (int i = 0; i < 4; ++i, ++mix) {
      INFO("TROUPE_SEED=" << base + mix);
      auto runner = runner_of(model, **select_kernels(""), 1 + static_cast<std::uint32_t>(mix % 2));
      Mix random(*runner, inputs, base + mix);
      random.run([&](std::size_t input, const std::vector<float>& found) {
        ++vectors;
        INFO("input " << input);
        CHECK(has_same_bits(found, expected[input]));
      });
      losses += random.losses;
    }
  }
  CHECK(vectors == 3 * 4 * 10);
  CHECK(losses > 10);
}

TEST_CASE("exact_embeddings_control: contract 2: the comparison turns red when a result depends on the batch") {
  TinyShape shape;
  shape.hidden = 128, shape.intermediate = 256;  // the defect splits rows longer than 64
  auto model = load_weights(TemporaryFile(tiny_model(shape).bytes()).path());
  HostKernels defective = mutated_kernels();
  std::vector<Input> inputs = some_inputs(model->hyper.vocab_size);
  auto expected = vectors_alone(model, defective, inputs);
  auto runner = runner_of(model, defective, 1);
  int differing = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    differing += has_same_bits(embed_alone(*runner, inputs[i].tokens, inputs[i].pooling, 7), expected[i]) ? 0 : 1;
  CHECK(differing > 5);
}
