#pragma once
// The least of a batcher: one sequence at a time through a runner, for tests that are not about batching.
#include <catch2/catch.hpp>
#include <memory>
#include <numeric>
#include <vector>

#include "runtime/doors/step_runner.hpp"

namespace troupe::test {

// Runs a plan to its result, which is copied.
inline StepResult run_plan(StepRunner& runner, const std::shared_ptr<const StepPlan>& plan) {
  StepResult copy;
  bool called = false;
  runner.submit(plan, [&](const Result<StepResult>& result) {
    INFO((result ? std::string() : result.error().message));
    REQUIRE(result.ok());
    copy = *result;
    called = true;
  });
  REQUIRE(called);
  REQUIRE(copy.step == plan->step);
  REQUIRE(copy.rows.size() == plan->rows.size());
  return copy;
}

// Adds a row of `tokens` at `position` with blocks [first_block, ...).
inline void add_row(StepPlan& plan, RequestId sequence, std::uint32_t position, const std::vector<TokenId>& tokens,
                    std::uint32_t first_block, const RowSampling* how) {
  StepRow row;
  row.sequence = sequence;
  row.position = position;
  row.tokens = {static_cast<std::uint32_t>(plan.tokens.size()), static_cast<std::uint32_t>(tokens.size())};
  plan.tokens.insert(plan.tokens.end(), tokens.begin(), tokens.end());
  std::uint32_t blocks = (position + row.tokens.count + kBlockSize - 1) / kBlockSize;
  row.blocks = {static_cast<std::uint32_t>(plan.blocks.size()), blocks};
  for (std::uint32_t i = 0; i < blocks; ++i) plan.blocks.push_back(first_block + i);
  if (how) {
    row.sampling = static_cast<std::uint32_t>(plan.sampling.size());
    plan.sampling.push_back(*how);
  }
  plan.rows.push_back(row);
}

// Greedy tokens after a prompt that is computed in one chunk.
inline std::vector<TokenId> generate_greedy(StepRunner& runner, const std::vector<TokenId>& prompt, std::size_t count) {
  std::vector<TokenId> output;
  RowSampling greedy;
  std::uint32_t position = 0;
  std::vector<TokenId> next = prompt;
  for (std::uint64_t step = 1; output.size() < count; ++step) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = step;
    add_row(*plan, 1, position, next, 0, &greedy);
    position += static_cast<std::uint32_t>(next.size());
    RowResult row = run_plan(runner, plan).rows[0];
    REQUIRE(row.outcome == RowOutcome::kSampled);
    output.push_back(row.token);
    next = {row.token};
  }
  return output;
}

}  // namespace troupe::test
