#pragma once
// The scripted runner in a process of its own: plans and results cross a socket as encoded records, and a child that
// dies is a broken runner. Results come back out of band.
#include <deque>
#include <mutex>
#include <thread>

#include "runtime/doors/step_runner.hpp"
#include "test/doubles/scripted_runner.hpp"

namespace troupe::test {

struct PipedOptions {
  RunnerInfo info = ScriptedOptions().info;
  ScriptedRule rule;
  std::uint64_t fault_step = 0;  // of the child's own steps; 0: none
  ScriptedFault fault = ScriptedFault::kNone;
};

class PipedRunner final : public StepRunner {
 public:
  explicit PipedRunner(PipedOptions options);  // throws when the child cannot be started
  ~PipedRunner() override;                     // ends the child
  const RunnerInfo& info() const override { return options_.info; }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override;

 private:
  void read();
  void fail_all();

  const PipedOptions options_;
  int socket_ = -1;
  int child_ = -1;
  std::mutex mutex_;
  std::deque<Done> outstanding_;
  bool is_broken_ = false;
  std::thread reader_;
};

// The arguments of the child's command line, and back.
std::vector<std::string> arguments_of(const PipedOptions& options);
PipedOptions options_of(int argc, char** argv);

}  // namespace troupe::test
