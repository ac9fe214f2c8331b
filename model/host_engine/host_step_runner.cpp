#include "model/host_engine/host_step_runner.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "model/host_engine/forward.hpp"
#include "model/host_engine/plan_check.hpp"

namespace troupe {
namespace {

// FNV-1a over 32-bit words.
std::uint64_t hash_bits(const float* values, std::size_t count) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (std::size_t i = 0; i < count; ++i) hash = (hash ^ std::bit_cast<std::uint32_t>(values[i])) * 0x100000001B3;
  return hash;
}

std::uint32_t alternatives_of(const RowSampling& how) {
  return std::min(static_cast<std::uint32_t>(std::max(how.logprobs, 0)), kTopTokensMax);
}
std::uint32_t alternatives_of(const StepRow& row) { return std::min(row.target_alternatives, kTopTokensMax); }

AttentionShape attention_shape(const HostModel& model, const HostAttention& kind) {
  AttentionShape shape = attention_shape(model.hyper);
  shape.score_scale = model.score_scale;
  shape.rope = &kind.rope;
  shape.window = kind.window;
  return shape;
}

WorkspaceShape workspace_shape(const HostModel& model) {
  bool separate = std::any_of(model.layers.begin(), model.layers.end(),
                              [](const HostLayer& layer) { return layer.gate_up.parts.size() > 1; });
  return WorkspaceShape::of(model.hyper, separate, model.has_floats(), model.has_post_norms());
}

}  // namespace

Result<std::unique_ptr<HostStepRunner>> HostStepRunner::make(std::shared_ptr<const HostModel> model,
                                                             const HostKernels& kernels, const HostLimits& limits,
                                                             std::uint32_t kv_blocks,
                                                             std::shared_ptr<Profiler> profiler) {
  auto workspace = StepWorkspace::make(workspace_shape(*model), limits);
  if (!workspace) return workspace.error();
  auto kv = Storage::allocate(model->kv_layout.block_bytes() * kv_blocks);
  if (!kv) return kv.error();
  if (limits.preallocate) {
    if (Status there = kv->populate(); !there) return there.error();
  }
  std::vector<AttentionPlan> plans;
  for (const HostAttention& kind : model->attention) {
    auto plan = AttentionPlan::make(attention_shape(*model, kind), limits.tokens_max, model->hyper.context_length,
                                    limits.threads);
    if (!plan) return plan.error();
    plans.push_back(std::move(*plan));
  }
  return std::unique_ptr<HostStepRunner>(new HostStepRunner(std::move(model), kernels, limits, kv_blocks,
                                                            std::move(*workspace), std::move(*kv), std::move(plans),
                                                            std::move(profiler)));
}

HostStepRunner::HostStepRunner(std::shared_ptr<const HostModel> model, const HostKernels& kernels,
                               const HostLimits& limits, std::uint32_t kv_blocks, StepWorkspace workspace, Storage kv,
                               std::vector<AttentionPlan> plans, std::shared_ptr<Profiler> profiler)
    : model_(std::move(model)),
      kernels_(kernels),
      pool_(limits.threads, "compute", limits.pins),
      workspace_(std::move(workspace)),
      kv_storage_(std::move(kv)),
      attention_plans_(std::move(plans)),
      ahead_(limits.threads),
      profiler_(std::move(profiler)),
      result_(StepResult{}),
      sums_(limits.rows_max) {
  info_.device = std::string("host ") + kernels.name;
  info_.numerics_class = model_->numerics_class;
  info_.blocks_total = kv_blocks;
  info_.rows_max = limits.rows_max;
  info_.tokens_max = limits.tokens_max;
  info_.context_length = model_->hyper.context_length;
  info_.vocab_size = model_->hyper.vocab_size;
  info_.steps_in_flight = limits.steps_in_flight;
  info_.embedding_size = model_->hyper.hidden_size;

  for (std::uint32_t thread = 0; thread < limits.threads; ++thread) samplers_.emplace_back(info_.vocab_size, kernels_);
  tokens_.reserve(limits.tokens_max);
  poisoned_.reserve(limits.tokens_max);
  sequences_.reserve(limits.rows_max);
  from_previous_.reserve(limits.rows_max);
  head_rows_.reserve(limits.rows_max + limits.tokens_max);
  head_tokens_.reserve(limits.rows_max + limits.tokens_max);
  emitted_.reserve(limits.rows_max);
  inputs_.reserve(limits.rows_max);
  input_rows_.reserve(limits.rows_max);
  result_->rows.reserve(limits.rows_max);
  result_->top.reserve(std::size_t{limits.rows_max + limits.tokens_max} * kTopTokensMax);
  result_->scores.reserve(limits.tokens_max);
  result_->values.reserve(std::size_t{limits.rows_max} * info_.embedding_size);
}

void HostStepRunner::submit(std::shared_ptr<const StepPlan> plan, Done done) {
  if (Status status = check_plan(*plan, info_); !status) {
    done(status.error());
    return;
  }
  if (!book_sums(*plan)) {
    done(Error{ErrorCode::kInternal, "step " + std::to_string(plan->step) + ": a running sum that was not begun", "",
               0});
    return;
  }
  auto start = std::chrono::steady_clock::now();
  Profiler* profiler = profiler_ != nullptr && profiler_->is_on() ? profiler_.get() : nullptr;
  pool_.begin_step();
  gather(*plan);
  start_results(*plan);
  gather_inputs(*plan);
  compute(*plan, profiler);
  pool_.end_step();
  emitted_.clear();
  for (const RowResult& row : result_->rows)
    if (row.outcome == RowOutcome::kSampled) emitted_.push_back({row.sequence, row.token});
  result_->step = plan->step;
  result_->compute_ns = static_cast<std::uint64_t>((std::chrono::steady_clock::now() - start).count());
  done(result_);
  if (profiler != nullptr) profiler->step_done();
}

bool HostStepRunner::book_sums(const StepPlan& plan) {
  sums_.begin_step();
  return std::all_of(plan.rows.begin(), plan.rows.end(),
                     [&](const StepRow& row) { return row.sum == kNoIndex || sums_.book(row); });
}

TokenId HostStepRunner::previous_token(RequestId sequence) const {
  for (const Emitted& emitted : emitted_)
    if (emitted.sequence == sequence) return emitted.token;
  return -1;
}

void HostStepRunner::gather(const StepPlan& plan) {
  tokens_.clear();
  sequences_.clear();
  from_previous_.clear();
  head_rows_.clear();
  head_tokens_.clear();
  for (std::uint32_t i = 0; i < plan.rows.size(); ++i) {
    const StepRow& row = plan.rows[i];
    sequences_.push_back({static_cast<std::uint32_t>(tokens_.size()), row.tokens.count, row.position,
                          plan.blocks.data() + row.blocks.begin});
    from_previous_.push_back(row.from_previous ? previous_token(row.sequence) : -1);
    // Without a token of the step before the row fails; what is computed for it does not matter.
    if (row.from_previous)
      tokens_.push_back(std::max(from_previous_.back(), 0));
    else
      for (TokenId token : slice_of(plan.tokens, row.tokens)) tokens_.push_back(token);
    if (!row.samples()) continue;
    head_rows_.push_back({i, kNoIndex});
    head_tokens_.push_back(static_cast<std::uint32_t>(tokens_.size()) - 1);
  }
  for (std::uint32_t i = 0; i < plan.rows.size(); ++i) {
    for (std::uint32_t target = 0; target < plan.rows[i].targets.count; ++target) {
      head_rows_.push_back({i, target});
      head_tokens_.push_back(sequences_[i].first_row + target);
    }
  }
  poisoned_.resize(tokens_.size());
}

void HostStepRunner::start_results(const StepPlan& plan) {
  result_->clear();
  std::uint32_t top_begin = 0, values_begin = 0;
  auto take_top = [&](std::uint32_t count) { return Slice{std::exchange(top_begin, top_begin + count), 0}; };
  for (std::uint32_t i = 0; i < plan.rows.size(); ++i) {
    const StepRow& row = plan.rows[i];
    RowResult result;
    result.sequence = row.sequence;
    if (row.samples()) result.top = take_top(alternatives_of(plan.sampling[row.sampling]));
    result.scores = {static_cast<std::uint32_t>(result_->scores.size()), row.targets.count};
    for (std::uint32_t target = 0; target < row.targets.count; ++target) {
      result_->scores.push_back({0.0F, 0, take_top(alternatives_of(row))});
    }
    if (row.is_end != 0) {
      result.vector = {values_begin, info_.embedding_size};
      values_begin += info_.embedding_size;
    }
    result_->rows.push_back(result);
  }
  result_->top.resize(top_begin);
  result_->values.resize(values_begin);
}

// After start_results(), which says where the vectors go.
void HostStepRunner::gather_inputs(const StepPlan& plan) {
  inputs_.clear();
  input_rows_.clear();
  for (std::uint32_t i = 0; i < plan.rows.size(); ++i) {
    const StepRow& row = plan.rows[i];
    if (row.kind != RowKind::kEmbed) continue;
    PooledRows input;
    input.first_row = sequences_[i].first_row;
    input.rows = row.tokens.count;
    if (row.pooling == Pooling::kMean) input.sum = workspace_.sums + std::size_t{row.sum} * workspace_.shape.hidden;
    input.begins = row.position == 0;
    input.count = row.pooling == Pooling::kMean ? row.position + row.tokens.count : 1;
    if (row.is_end != 0) input.out = result_->values.data() + result_->rows[i].vector.begin;
    inputs_.push_back(input);
    input_rows_.push_back(i);
  }
}

void HostStepRunner::pool_inputs(const Forward& forward) {
  if (inputs_.empty()) return;
  run_pooling(forward, inputs_);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i].out == nullptr) continue;
    result_->rows[input_rows_[i]].outcome = inputs_[i].is_finite ? RowOutcome::kPooled : RowOutcome::kNotFinite;
  }
}

void HostStepRunner::compute(const StepPlan& plan, Profiler* profiler) {
  if (tokens_.empty()) return;
  Host host{pool_, kernels_};
  Forward forward{host, *model_, workspace_, KvPool{model_->kv_layout, kv_storage_.data()}, ahead_, profiler};
  embed(forward, tokens_);
  for (AttentionPlan& attention : attention_plans_) attention.build(sequences_);
  run_layers(forward, attention_plans_, poisoned_);
  for (std::size_t begin = 0; begin < head_rows_.size(); begin += workspace_.head_rows) {
    std::size_t count = std::min<std::size_t>(workspace_.head_rows, head_rows_.size() - begin);
    run_head(forward, std::span(head_tokens_).subspan(begin, count));
    ProfiledBlock block(profiler, "phases", "sample");
    use_logits(plan, std::span(head_rows_).subspan(begin, count));
  }
  pool_inputs(forward);
  for (std::uint32_t i = 0; i < sequences_.size(); ++i) {
    if (!has_failed(plan, i)) continue;
    RowResult& row = result_->rows[i];
    row.outcome = RowOutcome::kNotFinite;
    row.token = -1;
    row.scores = {};
  }
}

bool HostStepRunner::has_failed(const StepPlan& plan, std::uint32_t plan_row) const {
  if (plan.rows[plan_row].from_previous && from_previous_[plan_row] < 0) return true;
  auto tokens = std::span(poisoned_).subspan(sequences_[plan_row].first_row, sequences_[plan_row].rows);
  auto scores = slice_of(result_->scores, result_->rows[plan_row].scores);
  return std::any_of(tokens.begin(), tokens.end(), [](std::uint8_t bad) { return bad != 0; }) ||
         std::any_of(scores.begin(), scores.end(), [](const TokenScore& score) { return score.rank == 0; });
}

void HostStepRunner::use_logits(const StepPlan& plan, std::span<const HeadRow> rows) {
  pool_.run(static_cast<std::uint32_t>(rows.size()), [&](std::uint32_t i, std::uint32_t thread) {
    if (rows[i].target == kNoIndex)
      sample_row(plan, rows[i].plan_row, i, samplers_[thread]);
    else
      score_target(plan, rows[i], i, samplers_[thread]);
  });
}

void HostStepRunner::score_target(const StepPlan& plan, const HeadRow& row, std::uint32_t head_row, Sampler& sampler) {
  const StepRow& asked = plan.rows[row.plan_row];
  const float* logits = workspace_.logits + head_row * workspace_.shape.vocab;
  TokenScore& score = result_->scores[result_->rows[row.plan_row].scores.begin + row.target];
  std::span<TopToken> top = std::span(result_->top).subspan(score.top.begin, alternatives_of(asked));
  Judged judged = sampler.judge({logits, info_.vocab_size}, workspace_.peaks[head_row],
                                plan.targets[asked.targets.begin + row.target], top);
  score.logprob = judged.logprob;
  score.rank = judged.rank;
  score.top.count = judged.top_count;
}

void HostStepRunner::sample_row(const StepPlan& plan, std::uint32_t plan_row, std::uint32_t head_row,
                                Sampler& sampler) {
  const float* logits = workspace_.logits + head_row * workspace_.shape.vocab;
  const RowSampling& how = plan.sampling[plan.rows[plan_row].sampling];
  SamplingInput input{how, slice_of(plan.bias, how.bias), slice_of(plan.banned, how.banned),
                      slice_of(plan.history, how.history), from_previous_[plan_row]};
  RowResult& result = result_->rows[plan_row];
  std::span<TopToken> top = std::span(result_->top).subspan(result.top.begin, alternatives_of(how));
  Sampled sampled = sampler.sample({logits, info_.vocab_size}, workspace_.peaks[head_row], input, top);
  result.outcome = sampled.outcome;
  result.token = sampled.token;
  result.logprob = sampled.logprob;
  result.top.count = sampled.top_count;
  if (plan.flags & kHashLogits) result.logits_hash = hash_bits(logits, info_.vocab_size);
}

std::span<const float> HostStepRunner::last_logits(std::uint32_t sampling_row) const {
  return {workspace_.logits + sampling_row % workspace_.head_rows * workspace_.shape.vocab, info_.vocab_size};
}

}  // namespace troupe
