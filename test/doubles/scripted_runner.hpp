#pragma once
// A step runner without a model. Its KV blocks hold the token ids themselves, and the next token is a pure function
// of the ids it finds there: a wrong block table, a lost or doubled position gives wrong tokens, as with a model.
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "runtime/doors/step_runner.hpp"
#include "runtime/prompt_score.hpp"

namespace troupe::test {

// The token after `history`: a letter a..z drawn by a hash of the ids (and of the seed and choice when the
// temperature is not 0), or byte_codec's end token in one of `end_every` cases; 0: never.
struct ScriptedRule {
  std::uint32_t end_every = 0;
  TokenId next(std::span<const TokenId> history, const RowSampling& sampling) const;
};

inline SamplingParams greedy_sampling() {
  SamplingParams sampling;
  sampling.temperature = 0.0F;
  return sampling;
}

// What `prompt` is answered with, worked out without a runner. The end token, if any, is not in it.
std::vector<TokenId> scripted_answer(const ScriptedRule& rule, std::vector<TokenId> prompt, std::uint32_t max_tokens,
                                     const SamplingParams& sampling = greedy_sampling(), std::uint32_t choice = 0);

// The embedding of `input`: of a position's state (its token, its place, a hash of all ids up to it, 1) the mean or the
// last one, not scaled. Worked out without a runner.
inline constexpr std::uint32_t kScriptedEmbedding = 4;
std::vector<float> scripted_embedding(const std::vector<TokenId>& input, Pooling pooling);

// What it makes of token `target` after `history`, beside it the letters from a on; of any prompt, without a runner.
PromptScore scripted_score(std::span<const TokenId> history, TokenId target, std::uint32_t alternatives);
std::vector<PromptScore> scripted_scores(const std::vector<TokenId>& prompt, std::uint32_t alternatives);

enum class ScriptedFault : std::uint8_t {
  kNone,
  kThrow,      // submit throws (with a thread of its own: reports an error)
  kError,      // reports an error
  kShort,      // one row too few
  kBadToken,   // a token outside the vocabulary
  kNotFinite,  // the first row's logits are not finite
  kExit,       // ends the process: for the child
  kStall,      // does not go on until released
};

// What all runners of one factory share with the test.
class ScriptedControl {
 public:
  // The step with this number, counted from 1 over all runners, goes wrong, once.
  void fault_at(std::uint64_t step, ScriptedFault fault);
  // Every step in which a sequence has this token goes wrong.
  void poison(TokenId token, ScriptedFault fault);
  // Every step whose number is a multiple of `every` goes wrong; 0: none any more.
  void fault_every(std::uint64_t every, ScriptedFault fault);

  void release();  // stalled ones go on; no more stalls
  bool wait_for_stall(std::chrono::milliseconds limit);

  std::uint64_t steps() const { return steps_; }      // begun
  std::uint64_t runners() const { return runners_; }  // made

  // Called with every plan before it is computed, on the runner's thread.
  std::function<void(const StepPlan&)> on_plan;

 private:
  friend class ScriptedRunner;
  ScriptedFault fault_of(const StepPlan& plan);
  void stall();

  std::atomic<std::uint64_t> steps_ = 0, runners_ = 0;
  std::atomic<std::uint64_t> at_step_ = 0, every_ = 0;
  std::atomic<ScriptedFault> at_step_fault_ = ScriptedFault::kNone, poison_fault_ = ScriptedFault::kNone,
                             every_fault_ = ScriptedFault::kNone;
  std::atomic<TokenId> poison_ = -1;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stalled_ = false;
  bool released_ = false;
};

struct ScriptedOptions {
  RunnerInfo info{"scripted", "scripted-1", 256, 32, 512, 1024, 260, 1, kScriptedEmbedding};
  ScriptedRule rule;
  bool own_thread = false;                 // computes out of band, as a device does
  std::chrono::microseconds step_time{0};  // slept per step
  std::shared_ptr<ScriptedControl> control = std::make_shared<ScriptedControl>();
};

class ScriptedRunner final : public StepRunner {
 public:
  explicit ScriptedRunner(ScriptedOptions options);
  ~ScriptedRunner() override;  // waits for the step that runs, stalled ones too
  const RunnerInfo& info() const override { return options_.info; }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override;

  Result<StepResult> compute(const StepPlan& plan);  // may throw

 private:
  struct Lane;
  Result<RowResult> compute_row(const StepPlan& plan, const StepRow& row, StepResult& result);
  Status read_history(const StepPlan& plan, const StepRow& row);
  Status pool(const StepRow& row, RowResult& out, StepResult& result);
  void judge(const StepPlan& plan, const StepRow& row, RowResult& out, StepResult& result);

  const ScriptedOptions options_;
  std::vector<TokenId> kv_;  // [blocks_total][kBlockSize]; -1: never written
  std::vector<std::pair<RequestId, TokenId>> sampled_, sampled_before_;  // by the step, by the one before
  std::vector<TokenId> history_;
  struct Sum {
    RequestId sequence = 0;
    std::uint32_t positions = 0;
    std::array<float, kScriptedEmbedding> values{};
  };
  std::vector<Sum> sums_;
  std::unique_ptr<Lane> lane_;
};

// A factory of such runners; they share options.control.
StepRunnerFactory scripted_runners(ScriptedOptions options);

}  // namespace troupe::test
