#pragma once
// The host engine: computes step plans on this machine's cores. submit() computes in the calling thread, which is one
// of the pool's, and calls `done` before it returns. From the start to the end of a step it allocates nothing, takes no
// lock and makes no system call but the barrier's (contract 7); everything is built for the limits when it is made.
#include <memory>
#include <vector>

#include "gpu/host/kernels.hpp"
#include "gpu/host/phases.hpp"
#include "gpu/host/thread_pool.hpp"
#include "model/host_engine/forward.hpp"
#include "model/host_engine/host_model.hpp"
#include "model/host_engine/memory_plan.hpp"
#include "model/host_engine/pooling.hpp"
#include "model/host_engine/step_workspace.hpp"
#include "model/sampler/sampler.hpp"
#include "runtime/doors/step_runner.hpp"
#include "runtime/profiler.hpp"

namespace troupe {

class HostStepRunner : public StepRunner {
 public:
  // `limits` as given to plan_memory, `kv_blocks` as it answered. kInternal when the memory is not there after all.
  static Result<std::unique_ptr<HostStepRunner>> make(std::shared_ptr<const HostModel> model,
                                                      const HostKernels& kernels, const HostLimits& limits,
                                                      std::uint32_t kv_blocks,
                                                      std::shared_ptr<Profiler> profiler = nullptr);

  const RunnerInfo& info() const override { return info_; }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override;

  // Keeps K/V in RAM as it is touched; false: the system forbids it.
  bool pin_memory() const { return kv_storage_.pin(true); }
  std::uint64_t kv_bytes() const { return kv_storage_.size(); }

  // Logits of the last step's sampling rows, in the plan's order, [rows][stride]; only of the last turn when there were
  // more than kHeadRowsMax, or targets to score. For tests and measurements of accuracy.
  std::span<const float> last_logits(std::uint32_t sampling_row) const;

 private:
  HostStepRunner(std::shared_ptr<const HostModel> model, const HostKernels& kernels, const HostLimits& limits,
                 std::uint32_t kv_blocks, StepWorkspace workspace, Storage kv, std::vector<AttentionPlan> plans,
                 std::shared_ptr<Profiler> profiler);

  bool book_sums(const StepPlan& plan);
  void gather(const StepPlan& plan);
  void compute(const StepPlan& plan, Profiler* profiler);
  void start_results(const StepPlan& plan);
  void gather_inputs(const StepPlan& plan);
  void pool_inputs(const Forward& forward);
  struct HeadRow {  // one whose logits are wanted
    std::uint32_t plan_row;
    std::uint32_t target;  // index in the row's targets, to score it; kNoIndex: to sample the next token
  };
  void use_logits(const StepPlan& plan, std::span<const HeadRow> rows);
  void sample_row(const StepPlan& plan, std::uint32_t plan_row, std::uint32_t head_row, Sampler& sampler);
  void score_target(const StepPlan& plan, const HeadRow& row, std::uint32_t head_row, Sampler& sampler);
  bool has_failed(const StepPlan& plan, std::uint32_t plan_row) const;
  TokenId previous_token(RequestId sequence) const;  // -1: the step before sampled none for it

  std::shared_ptr<const HostModel> model_;
  const HostKernels& kernels_;
  RunnerInfo info_;
  ThreadPool pool_;
  StepWorkspace workspace_;
  Storage kv_storage_;
  std::vector<AttentionPlan> attention_plans_;  // one for each of model_->attention
  std::vector<FetchAhead> ahead_;               // one a thread
  std::vector<Sampler> samplers_;               // one a thread
  const std::shared_ptr<Profiler> profiler_;    // may be none

  // Of the current step.
  std::vector<TokenId> tokens_;               // of all rows, one after the other
  std::vector<SequenceRows> sequences_;       // one a plan row
  std::vector<TokenId> from_previous_;        // one a plan row: the token from the step before, or -1
  std::vector<std::uint8_t> poisoned_;        // one a token
  std::vector<HeadRow> head_rows_;          // those that sample, then those that score
  std::vector<std::uint32_t> head_tokens_;  // their places in tokens_
  std::vector<PooledRows> inputs_;            // of rows that embed
  std::vector<std::uint32_t> input_rows_;     // those plan rows
  Result<StepResult> result_;

  struct Emitted {
    RequestId sequence;
    TokenId token;
  };
  std::vector<Emitted> emitted_;  // by the last step
  SumBooks sums_;
};

}  // namespace troupe
