#pragma once
// The least of a batcher: one sequence at a time through a runner, for tests that are not about batching.
#include <algorithm>
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

// Adds a row of an input to embed: `count` positions from `position` on, with its end when they reach it.
inline void add_input(StepPlan& plan, RequestId sequence, const std::vector<TokenId>& input, std::uint32_t position,
                      std::uint32_t count, std::uint32_t first_block, Pooling pooling, std::uint32_t sum) {
  auto begin = input.begin() + position;
  add_row(plan, sequence, position, {begin, begin + count}, first_block, nullptr);
  StepRow& row = plan.rows.back();
  row.kind = RowKind::kEmbed;
  row.pooling = pooling;
  row.sum = pooling == Pooling::kMean ? sum : kNoIndex;
  row.is_end = position + count == input.size() ? 1 : 0;
}

inline std::vector<float> vector_of(const StepResult& result, std::size_t row) {
  REQUIRE(result.rows[row].outcome == RowOutcome::kPooled);
  auto begin = result.values.begin() + result.rows[row].vector.begin;
  return {begin, begin + result.rows[row].vector.count};
}

// The embedding of an input that is alone, `chunk` positions a step.
inline std::vector<float> embed_alone(StepRunner& runner, const std::vector<TokenId>& input, Pooling pooling,
                                      std::uint32_t chunk) {
  auto size = static_cast<std::uint32_t>(input.size());
  for (std::uint32_t position = 0;; position += chunk) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = position + 1;
    std::uint32_t count = std::min(chunk, size - position);
    add_input(*plan, 1, input, position, count, 0, pooling, 0);
    StepResult result = run_plan(runner, plan);
    if (position + count == size) return vector_of(result, 0);
    REQUIRE(result.rows[0].outcome == RowOutcome::kNoToken);
  }
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
