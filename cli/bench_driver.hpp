#pragma once
// Steps of a runner with random tokens, for whoever measures: every sequence has its own run of blocks.
#include <chrono>
#include <memory>
#include <random>

#include "runtime/doors/step_runner.hpp"

namespace troupe {

class BenchDriver {
 public:
  BenchDriver(StepRunner& runner, std::uint32_t positions_each)
      : runner_(runner), blocks_each_((positions_each + kBlockSize - 1) / kBlockSize) {}

  std::uint32_t blocks_for(std::uint32_t sequences) const { return sequences * blocks_each_; }

  // One step: `count` new tokens at `position` for each of the sequences [first, end). Seconds, or the error.
  Result<double> step(std::uint32_t first, std::uint32_t end, std::uint32_t position, std::uint32_t count,
                      bool sample) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = ++steps_;
    std::uniform_int_distribution<TokenId> any(0, static_cast<TokenId>(runner_.info().vocab_size) - 1);
    for (std::uint32_t sequence = first; sequence < end; ++sequence) {
      StepRow row;
      row.sequence = sequence + 1;
      row.position = position;
      row.tokens = {static_cast<std::uint32_t>(plan->tokens.size()), count};
      for (std::uint32_t i = 0; i < count; ++i) plan->tokens.push_back(any(random_));
      std::uint32_t blocks = (position + count + kBlockSize - 1) / kBlockSize;
      row.blocks = {static_cast<std::uint32_t>(plan->blocks.size()), blocks};
      for (std::uint32_t b = 0; b < blocks; ++b) plan->blocks.push_back(sequence * blocks_each_ + b);
      if (sample) {
        row.sampling = static_cast<std::uint32_t>(plan->sampling.size());
        plan->sampling.emplace_back();
      }
      plan->rows.push_back(row);
    }
    Status outcome;
    auto begin = std::chrono::steady_clock::now();
    runner_.submit(plan, [&](const Result<StepResult>& result) {
      if (!result) outcome = result.error();
    });
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    if (!outcome) return outcome.error();
    return seconds.count();
  }

  // So many positions of the sequences [0, end) are in memory afterwards: one token of each block is computed, the rest
  // is left as it is. What attention reads is then real memory, at a sixteenth of the cost.
  Status touch(std::uint32_t end, std::uint32_t positions) {
    for (std::uint32_t at = kBlockSize - 1; at < positions; at += kBlockSize) {
      if (auto done = step(0, end, at, 1, false); !done) return done.error();
    }
    return {};
  }

 private:
  StepRunner& runner_;
  std::uint32_t blocks_each_;
  std::uint64_t steps_ = 0;
  std::mt19937 random_{7};
};

}  // namespace troupe
