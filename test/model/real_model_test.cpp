// SmolLM2-135M-Instruct (Q4_1) against a float32 forward pass on the file's own weights, by the rule of comparison for
// engines with int8 activations. Reference: data/smollm2.txt, made by convert_golden.py.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>

#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/skip.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

constexpr std::uint32_t kRows = kHeadRowsMax;

std::unique_ptr<HostStepRunner> make_runner(const std::string& path) {
  HostLimits limits;
  limits.threads = 2, limits.rows_max = kRows, limits.tokens_max = 256;
  auto runner = HostStepRunner::make(load_weights(path, 2), **select_kernels(""), limits, 128);
  REQUIRE(runner.ok());
  return std::move(*runner);
}

// Calls use(position, logits) for positions from `first` on; `tokens` is one sequence. A row for every token, so that
// each has logits.
template <class Use>
void for_each_logits(HostStepRunner& runner, const std::vector<TokenId>& tokens, std::uint32_t first, Use&& use) {
  RowSampling greedy;
  for (std::uint32_t begin = 0; begin < tokens.size(); begin += kRows) {
    std::uint32_t end = std::min<std::uint32_t>(begin + kRows, static_cast<std::uint32_t>(tokens.size()));
    auto plan = std::make_shared<StepPlan>();
    for (std::uint32_t i = begin; i < end; ++i) add_row(*plan, 1, i, {tokens[i]}, 0, &greedy);
    run_plan(runner, plan);
    for (std::uint32_t i = std::max(begin, first); i < end; ++i) use(i, runner.last_logits(i - begin));
  }
}

double log_probability(std::span<const float> logits, TokenId token) {
  double max = *std::max_element(logits.begin(), logits.end()), sum = 0.0;
  for (float logit : logits) sum += std::exp(static_cast<double>(logit) - max);
  return static_cast<double>(logits[token]) - max - std::log(sum);
}

double perplexity(HostStepRunner& runner, const std::vector<TokenId>& text, std::size_t window) {
  double sum = 0.0;
  std::size_t scored = 0;
  for (std::size_t begin = 0; begin + window <= text.size(); begin += window) {
    std::vector<TokenId> tokens(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                text.begin() + static_cast<std::ptrdiff_t>(begin + window));
    for_each_logits(runner, tokens, 0, [&](std::uint32_t i, std::span<const float> logits) {
      if (i + 1 == tokens.size()) return;
      sum -= log_probability(logits, tokens[i + 1]);
      ++scored;
    });
  }
  return std::exp(sum / static_cast<double>(scored));
}

}  // namespace

TEST_CASE("SmolLM2 agrees with float32 by the rule for int8 activations") {
  auto path = real_model();
  if (!path) return skip("no model; set TROUPE_TEST_MODEL");
  auto runner = make_runner(*path);
  std::string data = data_file("smollm2.txt");
  double tau = numbers(data, "tau")[1];
  int positions = 0, agreed = 0;
  double error_sum = 0.0, absolute_sum = 0.0;
  for (double prompt : numbers(data, "prompts")) {
    std::string name = std::to_string(static_cast<int>(prompt));
    std::vector<TokenId> tokens = ids(data, name + ".ids"), greedy = ids(data, name + ".greedy.ids");
    std::vector<double> logprob = numbers(data, name + ".greedy.logprob"),
                        margin = numbers(data, name + ".greedy.margin");
    std::uint32_t first = static_cast<std::uint32_t>(tokens.size()) - 1;
    tokens.insert(tokens.end(), greedy.begin(), greedy.end() - 1);
    for_each_logits(*runner, tokens, first, [&](std::uint32_t i, std::span<const float> logits) {
      std::uint32_t at = i - first;
      auto best = static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      ++positions;
      agreed += best == greedy[at];
      if (margin[at] > tau) {
        INFO("prompt " << name << ", token " << at << ", margin " << margin[at]);
        CHECK(best == greedy[at]);
      }
      double error = log_probability(logits, greedy[at]) - logprob[at];
      error_sum += error;
      absolute_sum += std::abs(error);
    });
  }
  double agreement = static_cast<double>(agreed) / positions;
  double mean = error_sum / positions, absolute = absolute_sum / positions;
  std::printf("SmolLM2, %d positions: %.2f %% agree, log-probability error %.4f absolute, %.4f mean\n", positions,
              100.0 * agreement, absolute, mean);
  CHECK(agreement >= 0.97);
  CHECK(absolute <= 0.05);
  CHECK(std::abs(mean) <= 0.01);
}

TEST_CASE("SmolLM2's free-running greedy output leaves float32's only where the margin is small") {
  auto path = real_model();
  if (!path) return skip("no model; set TROUPE_TEST_MODEL");
  std::string data = data_file("smollm2.txt");
  double tau = numbers(data, "tau")[1];
  auto runner = make_runner(*path);
  for (double prompt : numbers(data, "prompts")) {
    std::string name = std::to_string(static_cast<int>(prompt));
    INFO("prompt " << name);
    std::vector<TokenId> tokens = ids(data, name + ".ids");
    if (tokens.size() > 256) continue;  // a prompt in one chunk here
    std::vector<TokenId> greedy = ids(data, name + ".greedy.ids");
    std::vector<double> margin = numbers(data, name + ".greedy.margin");
    std::vector<TokenId> output = generate_greedy(*runner, tokens, greedy.size());
    auto leaves = std::mismatch(output.begin(), output.end(), greedy.begin()).first - output.begin();
    if (static_cast<std::size_t>(leaves) < greedy.size()) CHECK(margin[static_cast<std::size_t>(leaves)] <= tau);
  }
}

TEST_CASE("SmolLM2's perplexity lies between float32's and llama.cpp's") {
  auto path = real_model();
  if (!path) return skip("no model; set TROUPE_TEST_MODEL");
  auto runner = make_runner(*path);
  std::string data = data_file("smollm2.txt");
  std::vector<TokenId> text = ids(data, "perplexity.ids");
  for (std::size_t window : {512U, 1024U}) {
    std::string name = "window_" + std::to_string(window);
    double ours = perplexity(*runner, text, window);
    double float32 = numbers(data, name + ".float32")[0], llamacpp = numbers(data, name + ".llamacpp")[0];
    std::printf("SmolLM2, windows of %zu: perplexity %.4f (%+.2f %%), llama.cpp %.4f (%+.2f %%)\n", window, ours,
                100.0 * (ours / float32 - 1.0), llamacpp, 100.0 * (llamacpp / float32 - 1.0));
    CHECK(ours <= llamacpp);
    CHECK(ours >= float32 * 0.997);  // better than the truth would be suspicious
  }
}
