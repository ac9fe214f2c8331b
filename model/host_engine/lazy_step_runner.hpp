#pragma once
// A runner that comes into being with its first step: until then a model that nobody asks for takes no memory.
#include <functional>
#include <memory>

#include "runtime/doors/step_runner.hpp"

namespace troupe {

class LazyStepRunner final : public StepRunner {
 public:
  // `info` is what the runner that `make` gives will say of itself; another one is an error of the step.
  // `alive` is to be called from time to time while it loads; never empty.
  using Make = std::function<Result<std::unique_ptr<StepRunner>>(const std::function<void()>& alive)>;
  LazyStepRunner(RunnerInfo info, Make make) : info_(std::move(info)), make_(std::move(make)) {}

  const RunnerInfo& info() const override { return info_; }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override;
  void say_alive_to(const std::function<void()>& alive) override { alive_ = alive; }

 private:
  const RunnerInfo info_;
  const Make make_;
  std::function<void()> alive_ = [] {};
  std::unique_ptr<StepRunner> runner_;
};

}  // namespace troupe
