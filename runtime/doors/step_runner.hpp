#pragma once
// The door between an executor actor and what computes: host engine, CUDA engine and the scripted test double.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/step_plan.hpp"

namespace troupe {

struct RunnerInfo {
  std::string device;                // "host avx512", "scripted"
  std::string numerics_class;        // contract 2: equal strings mean equal bits
  std::uint32_t blocks_total = 0;    // KV blocks of kBlockSize tokens
  std::uint32_t rows_max = 0;        // sequences of one step
  std::uint32_t tokens_max = 0;      // new positions of one step
  std::uint32_t context_length = 0;  // positions of one sequence
  std::uint32_t vocab_size = 0;
  std::uint32_t steps_in_flight = 1;  // plans submit() takes before the first one is done: 1 or 2
  std::uint32_t embedding_size = 0;   // values of an embedding; 0: this runner makes none
};

class StepRunner {
 public:
  // Called exactly once per submitted plan, in the order of submission, from any thread, possibly before submit
  // returns. The result is only valid during the call. An error means the runner is broken: it is not used again.
  using Done = std::function<void(const Result<StepResult>&)>;

  virtual ~StepRunner() = default;
  virtual const RunnerInfo& info() const = 0;
  // Only one thread calls submit. The plan has been checked against info() by whoever made it.
  virtual void submit(std::shared_ptr<const StepPlan> plan, Done done) = 0;
  // Called once, before the first submit: a step that takes seconds (the first one may load weights) calls `alive` from
  // time to time, on any thread, so that nobody takes it for hanging.
  virtual void say_alive_to(const std::function<void()>& alive) { (void)alive; }
};

// A fresh runner after a death; the weights behind it are shared and stay.
using StepRunnerFactory = std::function<std::unique_ptr<StepRunner>()>;

}  // namespace troupe
