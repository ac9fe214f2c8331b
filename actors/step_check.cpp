#include "actors/step_check.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace troupe {
namespace {

Error broken(const std::string& why) { return {ErrorCode::kInternal, "the step's result " + why, "", 0}; }

bool is_token(TokenId token, const RunnerInfo& info) {
  return token >= 0 && static_cast<std::uint32_t>(token) < info.vocab_size;
}

bool has_vector(const RowResult& row, const StepResult& result, const RunnerInfo& info) {
  const Slice& slice = row.vector;
  if (slice.count != info.embedding_size || std::uint64_t{slice.begin} + slice.count > result.values.size())
    return false;
  auto begin = result.values.begin() + slice.begin;
  return std::all_of(begin, begin + slice.count, [](float value) { return std::isfinite(value); });
}

bool has_scores(const StepRow& asked, const RowResult& row, const StepResult& result, const RunnerInfo& info) {
  if (row.scores.count != asked.targets.count || !is_inside(row.scores, result.scores.size())) return false;
  auto scores = slice_of(result.scores, row.scores);
  return std::all_of(scores.begin(), scores.end(), [&](const TokenScore& score) {
    if (!std::isfinite(score.logprob) || score.rank == 0 || score.rank > info.vocab_size) return false;
    if (!is_inside(score.top, result.top.size())) return false;
    auto top = slice_of(result.top, score.top);
    return std::all_of(top.begin(), top.end(), [&](const TopToken& entry) { return is_token(entry.token, info); });
  });
}

Status check_row(const StepRow& asked, const RowResult& row, const StepResult& result, const RunnerInfo& info) {
  if (row.sequence != asked.sequence) return broken("has rows in another order than the plan");
  if (std::uint64_t{row.top.begin} + row.top.count > result.top.size()) return broken("has a slice out of bounds");
  for (std::uint32_t i = 0; i < row.top.count; ++i) {
    if (!is_token(result.top[row.top.begin + i].token, info)) return broken("has an alternative that is no token");
  }
  if (row.outcome != RowOutcome::kNotFinite && !has_scores(asked, row, result, info)) {
    return broken("lacks scores that were asked for, or has some that are none");
  }
  switch (row.outcome) {
    case RowOutcome::kNotFinite:
      return {};
    case RowOutcome::kNoToken:
      if (asked.is_end != 0) return broken("lacks a vector that was asked for");
      if (!asked.samples()) return {};
      return broken("lacks a token that was asked for");
    case RowOutcome::kSampled:
      if (!asked.samples()) return broken("has a token that was not asked for");
      if (!is_token(row.token, info)) return broken("has a token outside the vocabulary");
      return {};
    case RowOutcome::kPooled:
      if (asked.is_end == 0) return broken("has a vector that was not asked for");
      if (!has_vector(row, result, info)) return broken("has a vector of another size, or not of numbers");
      return {};
  }
  return broken("has an outcome nobody knows");
}

}  // namespace

Status check_result(const StepPlan& plan, const StepResult& result, const RunnerInfo& info) {
  if (result.version != kStepPlanVersion) return broken("has version " + std::to_string(result.version));
  if (result.step != plan.step) {
    return broken("is of step " + std::to_string(result.step) + ", not of " + std::to_string(plan.step));
  }
  if (result.rows.size() != plan.rows.size()) {
    return broken("has " + std::to_string(result.rows.size()) + " rows, the plan " + std::to_string(plan.rows.size()));
  }
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    if (Status ok = check_row(plan.rows[i], result.rows[i], result, info); !ok) return ok;
  }
  return {};
}

}  // namespace troupe
