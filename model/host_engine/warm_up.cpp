#include "model/host_engine/warm_up.hpp"

#include <algorithm>

namespace troupe {
namespace {

constexpr std::uint32_t kPromptTokens = 64;
constexpr std::uint32_t kBatchRows = 8;

// `rows` sequences of `tokens` positions from the first on, each in blocks of its own; all sample.
std::shared_ptr<StepPlan> made_up_plan(std::uint64_t step, std::uint32_t rows, std::uint32_t tokens,
                                       std::uint32_t vocab_size) {
  auto plan = std::make_shared<StepPlan>();
  plan->step = step;
  std::uint32_t blocks_each = (tokens + kBlockSize - 1) / kBlockSize;
  for (std::uint32_t i = 0; i < rows; ++i) {
    StepRow row;
    row.sequence = i + 1;
    row.tokens = {i * tokens, tokens};
    row.blocks = {i * blocks_each, blocks_each};
    row.sampling = i;
    for (std::uint32_t token = 0; token < tokens; ++token)
      plan->tokens.push_back(static_cast<TokenId>((step * 7919 + i * 31 + token) % vocab_size));
    for (std::uint32_t block = 0; block < blocks_each; ++block) plan->blocks.push_back(i * blocks_each + block);
    plan->sampling.emplace_back();
    plan->rows.push_back(row);
  }
  return plan;
}

}  // namespace

Status warm_up(StepRunner& runner, std::uint32_t samples) {
  const RunnerInfo& info = runner.info();
  std::uint32_t prompt =
      std::min({kPromptTokens, info.tokens_max, info.context_length, info.blocks_total * kBlockSize});
  std::uint32_t batch = std::min({kBatchRows, info.rows_max, info.tokens_max, info.blocks_total});
  Status outcome;
  for (std::uint32_t i = 0; i < samples && outcome.ok(); ++i) {
    auto plan =
        i % 2 == 0 ? made_up_plan(i + 1, 1, prompt, info.vocab_size) : made_up_plan(i + 1, batch, 1, info.vocab_size);
    runner.submit(plan, [&](const Result<StepResult>& result) {
      if (!result) outcome = result.error();
    });
  }
  return outcome;
}

}  // namespace troupe
