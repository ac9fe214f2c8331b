#include "test/doubles/scripted_runner.hpp"

#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <stdexcept>
#include <string>
#include <thread>

#include "test/doubles/byte_codec.hpp"

namespace troupe::test {
namespace {

constexpr std::uint32_t kLetters = 26;

std::uint64_t fnv1a(std::uint64_t hash, std::uint64_t value) { return (hash ^ value) * 0x100000001B3U; }

std::array<float, kScriptedEmbedding> state_at(std::span<const TokenId> history) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (TokenId token : history) hash = fnv1a(hash, static_cast<std::uint32_t>(token));
  return {static_cast<float>(history.back()), static_cast<float>(history.size() - 1),
          static_cast<float>((hash >> 8U) % 1000), 1.0F};
}

Error broken(std::string why) { return {ErrorCode::kInternal, "scripted runner: " + std::move(why), "", 0}; }

}  // namespace

TokenId ScriptedRule::next(std::span<const TokenId> history, const RowSampling& sampling) const {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (TokenId token : history) hash = fnv1a(hash, static_cast<std::uint32_t>(token));
  if (sampling.temperature != 0.0F) hash = fnv1a(fnv1a(hash, sampling.seed), sampling.choice);
  hash ^= hash >> 29U;
  if (end_every > 0 && hash % end_every == 0) return kEndToken;
  return static_cast<TokenId>('a' + (hash >> 8U) % kLetters);
}

std::vector<TokenId> scripted_answer(const ScriptedRule& rule, std::vector<TokenId> prompt, std::uint32_t max_tokens,
                                     const SamplingParams& params, std::uint32_t choice) {
  RowSampling sampling;
  sampling.temperature = params.temperature;
  sampling.seed = params.seed.value_or(0);
  sampling.choice = choice;
  std::vector<TokenId> answer;
  while (answer.size() < max_tokens) {
    TokenId token = rule.next(prompt, sampling);
    if (token == kEndToken) break;
    answer.push_back(token);
    prompt.push_back(token);
  }
  return answer;
}

std::vector<float> scripted_embedding(const std::vector<TokenId>& input, Pooling pooling) {
  std::vector<float> sum(kScriptedEmbedding, 0.0F);
  for (std::size_t size = 1; size <= input.size(); ++size) {
    auto state = state_at(std::span(input).first(size));
    if (pooling == Pooling::kLast) {
      sum.assign(state.begin(), state.end());
      continue;
    }
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += state[i];
  }
  if (pooling == Pooling::kMean)
    for (float& value : sum) value /= static_cast<float>(input.size());
  return sum;
}

PromptScore scripted_score(std::span<const TokenId> history, TokenId target, std::uint32_t alternatives) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (TokenId token : history) hash = fnv1a(hash, static_cast<std::uint32_t>(token));
  hash = fnv1a(hash, static_cast<std::uint32_t>(target));
  PromptScore score{
      -static_cast<float>((hash >> 8U) % 1000) / 64.0F, static_cast<std::uint32_t>((hash >> 8U) % 99) + 1, {}};
  for (std::uint32_t i = 0; i < alternatives; ++i) {
    score.top.push_back({static_cast<TokenId>('a' + i), -0.5F - static_cast<float>(i)});
  }
  return score;
}

std::vector<PromptScore> scripted_scores(const std::vector<TokenId>& prompt, std::uint32_t alternatives) {
  std::vector<PromptScore> scores;
  for (std::size_t size = 1; size < prompt.size(); ++size) {
    scores.push_back(scripted_score(std::span(prompt).first(size), prompt[size], alternatives));
  }
  return scores;
}

void ScriptedControl::fault_at(std::uint64_t step, ScriptedFault fault) {
  at_step_fault_ = fault;
  at_step_ = step;
}

void ScriptedControl::fault_every(std::uint64_t every, ScriptedFault fault) {
  every_fault_ = fault;
  every_ = every;
}

void ScriptedControl::poison(TokenId token, ScriptedFault fault) {
  poison_fault_ = fault;
  poison_ = token;
}

void ScriptedControl::release() {
  std::lock_guard lock(mutex_);
  released_ = true;
  changed_.notify_all();
}

bool ScriptedControl::wait_for_stall(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return stalled_; });
}

void ScriptedControl::stall() {
  std::unique_lock lock(mutex_);
  stalled_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return released_; });
  stalled_ = false;
}

ScriptedFault ScriptedControl::fault_of(const StepPlan& plan) {
  std::uint64_t step = ++steps_;
  if (on_plan) on_plan(plan);
  if (std::uint64_t every = every_; every > 0 && step % every == 0) return every_fault_;
  if (step == at_step_) return at_step_fault_;
  TokenId poison = poison_;
  if (poison >= 0 && std::find(plan.tokens.begin(), plan.tokens.end(), poison) != plan.tokens.end())
    return poison_fault_;
  return ScriptedFault::kNone;
}

// The thread of a runner that computes out of band. Plans wait in their order.
struct ScriptedRunner::Lane {
  explicit Lane(ScriptedRunner& runner) : thread([this, &runner] { run(runner); }) {}
  ~Lane() {
    {
      std::lock_guard lock(mutex);
      closed = true;
    }
    wake.notify_all();
    thread.join();
  }

  void run(ScriptedRunner& runner) {
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [this] { return closed || !jobs.empty(); });
      if (closed) return;
      auto [plan, done] = std::move(jobs.front());
      jobs.pop_front();
      lock.unlock();
      try {
        done(runner.compute(*plan));
      } catch (const std::exception& e) {
        done(broken(e.what()));
      }
      lock.lock();
    }
  }

  std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::pair<std::shared_ptr<const StepPlan>, Done>> jobs;
  bool closed = false;
  std::thread thread;
};

ScriptedRunner::ScriptedRunner(ScriptedOptions options)
    : options_(std::move(options)),
      kv_(std::size_t{options_.info.blocks_total} * kBlockSize, -1),
      sums_(options_.info.rows_max) {
  ++options_.control->runners_;
  if (options_.own_thread) lane_ = std::make_unique<Lane>(*this);
}

ScriptedRunner::~ScriptedRunner() = default;

void ScriptedRunner::submit(std::shared_ptr<const StepPlan> plan, Done done) {
  if (!lane_) return done(compute(*plan));
  {
    std::lock_guard lock(lane_->mutex);
    if (lane_->jobs.size() >= options_.info.steps_in_flight) throw std::logic_error("too many steps in flight");
    lane_->jobs.emplace_back(std::move(plan), std::move(done));
  }
  lane_->wake.notify_one();
}

Result<StepResult> ScriptedRunner::compute(const StepPlan& plan) {
  ScriptedFault fault = options_.control->fault_of(plan);
  if (options_.step_time.count() > 0) std::this_thread::sleep_for(options_.step_time);
  if (fault == ScriptedFault::kThrow) throw std::runtime_error("scripted to throw");
  if (fault == ScriptedFault::kError) return broken("scripted to fail");
  if (fault == ScriptedFault::kExit) _exit(9);
  if (fault == ScriptedFault::kStall) options_.control->stall();

  StepResult result;
  result.step = plan.step;
  sampled_before_.swap(sampled_);
  sampled_.clear();
  for (const StepRow& row : plan.rows) {
    Result<RowResult> computed = compute_row(plan, row, result);
    if (!computed) return computed.error();
    result.rows.push_back(*computed);
  }
  if (fault == ScriptedFault::kShort) result.rows.pop_back();
  if (fault == ScriptedFault::kBadToken) result.rows.back().token = static_cast<TokenId>(options_.info.vocab_size);
  if (fault == ScriptedFault::kNotFinite) result.rows.front().outcome = RowOutcome::kNotFinite;
  return result;
}

Result<RowResult> ScriptedRunner::compute_row(const StepPlan& plan, const StepRow& row, StepResult& result) {
  std::uint32_t end = row.position + row.tokens.count;
  if (end > row.blocks.count * kBlockSize) return broken("a row has too few blocks");
  auto slot = [&](std::uint32_t position) -> TokenId& {
    return kv_.at(std::size_t{plan.blocks.at(row.blocks.begin + position / kBlockSize)} * kBlockSize +
                  position % kBlockSize);
  };
  for (std::uint32_t i = 0; i < row.tokens.count; ++i) {
    TokenId token = plan.tokens.at(row.tokens.begin + i);
    if (row.from_previous != 0) {
      auto entry = std::find_if(sampled_before_.begin(), sampled_before_.end(),
                                [&](const auto& s) { return s.first == row.sequence; });
      if (entry == sampled_before_.end()) return broken("the step before sampled nothing for a sequence");
      token = entry->second;
    }
    slot(row.position + i) = token;
  }
  RowResult out;
  out.sequence = row.sequence;
  bool wants_history = row.kind == RowKind::kEmbed || row.samples() || row.targets.count > 0;
  if (!wants_history) return out;
  if (Status read = read_history(plan, row); !read) return read.error();
  if (row.kind == RowKind::kEmbed) {
    if (Status pooled = pool(row, out, result); !pooled) return pooled.error();
    return out;
  }
  judge(plan, row, out, result);
  if (!row.samples()) return out;
  const RowSampling& sampling = plan.sampling.at(row.sampling);
  out.outcome = RowOutcome::kSampled;
  out.token = options_.rule.next(history_, sampling);
  auto banned = plan.banned.begin() + sampling.banned.begin;
  if (std::find(banned, banned + sampling.banned.count, out.token) != banned + sampling.banned.count) out.token = 'z';
  sampled_.emplace_back(row.sequence, out.token);
  if (sampling.logprobs >= 0) {
    out.logprob = -0.25F;
    out.top = {static_cast<std::uint32_t>(result.top.size()), static_cast<std::uint32_t>(sampling.logprobs)};
    for (std::int32_t i = 0; i < sampling.logprobs; ++i) {
      result.top.push_back({static_cast<TokenId>('a' + i), -0.25F - static_cast<float>(i)});
    }
  }
  return out;
}

void ScriptedRunner::judge(const StepPlan& plan, const StepRow& row, RowResult& out, StepResult& result) {
  out.scores = {static_cast<std::uint32_t>(result.scores.size()), row.targets.count};
  for (std::uint32_t i = 0; i < row.targets.count; ++i) {
    PromptScore score = scripted_score(std::span(history_).first(row.position + i + 1),
                                       plan.targets.at(row.targets.begin + i), row.target_alternatives);
    result.scores.push_back(
        {score.logprob, score.rank, {static_cast<std::uint32_t>(result.top.size()), row.target_alternatives}});
    result.top.insert(result.top.end(), score.top.begin(), score.top.end());
  }
}

// The ids of all positions up to the row's last one, from the blocks.
Status ScriptedRunner::read_history(const StepPlan& plan, const StepRow& row) {
  history_.clear();
  for (std::uint32_t position = 0; position < row.position + row.tokens.count; ++position) {
    std::uint32_t block = plan.blocks.at(row.blocks.begin + position / kBlockSize);
    history_.push_back(kv_.at(std::size_t{block} * kBlockSize + position % kBlockSize));
    if (history_.back() < 0) return broken("a position was never written");
  }
  return {};
}

Status ScriptedRunner::pool(const StepRow& row, RowResult& out, StepResult& result) {
  Sum last;
  Sum& sum = row.pooling == Pooling::kMean ? sums_.at(row.sum) : last;
  if (row.position == 0) sum = {row.sequence, 0, {}};
  if (&sum != &last && (sum.sequence != row.sequence || sum.positions != row.position)) {
    return broken("a running sum that was not begun");
  }
  for (std::uint32_t position = row.position; position < row.position + row.tokens.count; ++position) {
    auto state = state_at(std::span(history_).first(position + 1));
    for (std::size_t i = 0; i < state.size(); ++i) sum.values[i] = (&sum == &last ? 0.0F : sum.values[i]) + state[i];
  }
  sum.positions = row.position + row.tokens.count;
  if (row.is_end == 0) return {};
  out.outcome = RowOutcome::kPooled;
  out.vector = {static_cast<std::uint32_t>(result.values.size()), kScriptedEmbedding};
  float count = &sum == &last ? 1.0F : static_cast<float>(sum.positions);
  for (float value : sum.values) result.values.push_back(value / count);
  return {};
}

StepRunnerFactory scripted_runners(ScriptedOptions options) {
  return [options = std::move(options)] { return std::make_unique<ScriptedRunner>(options); };
}

}  // namespace troupe::test
