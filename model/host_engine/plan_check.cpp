#include "model/host_engine/plan_check.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {
namespace {

// What is wrong, or nullptr.
const char* fault_of(const RowSampling& how, const StepPlan& plan) {
  if (!(how.temperature >= 0.0F && how.temperature <= 1e6F)) return "temperature";
  if (!(how.top_p >= 0.0F && how.top_p <= 1.0F)) return "top_p";
  if (!(how.min_p >= 0.0F && how.min_p <= 1.0F)) return "min_p";
  if (!(how.typical_p > 0.0F && how.typical_p <= 1.0F)) return "typical_p";
  if (!(how.repetition_penalty > 0.0F && how.repetition_penalty <= 1e6F)) return "repetition_penalty";
  if (!std::isfinite(how.presence_penalty) || !std::isfinite(how.frequency_penalty)) return "penalties";
  if (!is_inside(how.bias, plan.bias.size())) return "bias";
  if (!is_inside(how.banned, plan.banned.size())) return "banned";
  if (!is_inside(how.history, plan.history.size())) return "history";
  return nullptr;
}

const char* pooling_fault_of(const StepRow& row, const RunnerInfo& info) {
  if (row.kind != RowKind::kEmbed) {
    return row.pooling != Pooling::kNone || row.sum != kNoIndex || row.is_end != 0 ? "pooling" : nullptr;
  }
  if (row.pooling != Pooling::kMean && row.pooling != Pooling::kLast) return "pooling";
  if (row.pooling == Pooling::kMean ? row.sum >= info.rows_max : row.sum != kNoIndex) return "running sum";
  if (row.is_end > 1 || row.from_previous != 0 || row.samples() || row.targets.count > 0)
    return "embeds and has tokens to come";
  return nullptr;
}

bool has_fit_targets(const StepRow& row, const StepPlan& plan, const RunnerInfo& info) {
  if (!is_inside(row.targets, plan.targets.size()) || row.targets.count > row.tokens.count) return false;
  if (row.from_previous != 0 && row.targets.count > 0) return false;
  auto targets = slice_of(plan.targets, row.targets);
  return std::all_of(targets.begin(), targets.end(),
                     [&](TokenId token) { return token >= 0 && static_cast<std::uint32_t>(token) < info.vocab_size; });
}

const char* fault_of(const StepRow& row, const StepPlan& plan, const RunnerInfo& info) {
  if (row.kind > RowKind::kEmbed || row.adapter != 0 || row.mask != kNoIndex || row.draft.count != 0)
    return "asks for what this runner cannot do";
  if (const char* what = pooling_fault_of(row, info)) return what;
  if (row.tokens.count == 0 || !is_inside(row.tokens, plan.tokens.size())) return "tokens";
  if (!is_inside(row.blocks, plan.blocks.size())) return "blocks";
  std::uint64_t end = std::uint64_t{row.position} + row.tokens.count;
  if (end > info.context_length) return "position is beyond the context";
  if (end > std::uint64_t{row.blocks.count} * kBlockSize) return "too few blocks for its positions";
  if (row.from_previous > 1 || (row.from_previous == 1 && row.tokens.count != 1)) return "from_previous";
  for (std::uint32_t i = 0; i < row.tokens.count; ++i) {
    TokenId token = plan.tokens[row.tokens.begin + i];
    if (row.from_previous == 0 && (token < 0 || static_cast<std::uint32_t>(token) >= info.vocab_size))
      return "a token outside of the vocabulary";
  }
  for (std::uint32_t i = 0; i < row.blocks.count; ++i)
    if (plan.blocks[row.blocks.begin + i] >= info.blocks_total) return "a block outside of the pool";
  if (!has_fit_targets(row, plan, info)) return "targets";
  if (row.sampling == kNoIndex) return nullptr;
  if (row.sampling >= plan.sampling.size()) return "sampling";
  return fault_of(plan.sampling[row.sampling], plan);
}

Error fault(const StepPlan& plan, std::size_t row, const char* what) {
  return Error{ErrorCode::kInternal, "step " + std::to_string(plan.step) + ", row " + std::to_string(row) + ": " + what,
               "", 0};
}

}  // namespace

Status check_plan(const StepPlan& plan, const RunnerInfo& info) {
  if (plan.version != kStepPlanVersion) return fault(plan, 0, "version");
  if (plan.rows.size() > info.rows_max) return fault(plan, plan.rows.size(), "more rows than rows_max");
  std::uint64_t tokens = 0;
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    if (const char* what = fault_of(plan.rows[i], plan, info)) return fault(plan, i, what);
    tokens += plan.rows[i].tokens.count;
  }
  if (tokens > info.tokens_max) return fault(plan, plan.rows.size(), "more tokens than tokens_max");
  return {};
}

}  // namespace troupe
