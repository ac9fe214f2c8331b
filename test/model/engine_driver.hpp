#pragma once
// Small engines for tests of what they compute: models in memory, runners with small limits, logits token by token.
#include <catch2/catch.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "test/model/golden.hpp"
#include "test/model/step_driver.hpp"
#include "test/model/tiny_model.hpp"

namespace troupe::test {

inline constexpr std::uint32_t kBlocks = 64;

inline const HostKernels& kernels() { return **select_kernels(""); }

inline HostLimits small_limits() {
  HostLimits limits;
  limits.rows_max = 8;
  limits.tokens_max = 64;
  limits.threads = 2;
  return limits;
}

inline std::unique_ptr<HostStepRunner> runner_of(std::shared_ptr<const HostModel> model,
                                                 const HostLimits& limits = small_limits()) {
  auto runner = HostStepRunner::make(std::move(model), kernels(), limits, kBlocks);
  REQUIRE(runner.ok());
  return std::move(*runner);
}

inline std::shared_ptr<const HostModel> model_of(const TinyShape& shape) {
  TemporaryFile file(tiny_model(shape).bytes());
  return load_weights(file.path(), 2);
}

inline std::vector<TokenId> some_tokens(std::uint32_t count, std::uint32_t vocab) {
  std::vector<TokenId> tokens;
  for (std::uint32_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>((i * 37 + 11) % vocab));
  return tokens;
}

// Logits after each token, by a runner that gets them one by one.
inline std::vector<std::vector<float>> logits_of(HostStepRunner& runner, const std::vector<TokenId>& tokens) {
  std::vector<std::vector<float>> all;
  RowSampling greedy;
  for (std::uint32_t i = 0; i < tokens.size(); ++i) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = i + 1;
    add_row(*plan, 1, i, {tokens[i]}, 0, &greedy);
    run_plan(runner, plan);
    auto logits = runner.last_logits(0);
    all.emplace_back(logits.begin(), logits.end());
  }
  return all;
}

}  // namespace troupe::test
