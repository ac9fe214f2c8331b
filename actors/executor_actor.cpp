#include "actors/executor_actor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/sec.hpp>
#include <caf/send.hpp>

#include <array>
#include <atomic>
#include <optional>
#include <stdexcept>

#include "actors/messages.hpp"
#include "actors/shell.hpp"
#include "actors/step_check.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

constexpr std::size_t kFlightsMax = 2;  // RunnerInfo::steps_in_flight is 1 or 2

class Executor final : public ActorLogic {
 public:
  Executor(caf::event_based_actor* self, const ServiceEnvPtr& env, std::uint64_t number)
      : self_(self), number_(number), info_(env->runner), profiler_(env->options.profiler) {
    for (Flight& flight : flights_) flight.executor = this;
    address_ = self->address();
    runner_ = env->options.new_runner();
    if (!runner_) throw std::runtime_error("there is no runner");
    const RunnerInfo& info = runner_->info();
    if (info.numerics_class != info_.numerics_class || info.blocks_total < info_.blocks_total ||
        info.rows_max < info_.rows_max || info.tokens_max < info_.tokens_max || info.vocab_size != info_.vocab_size ||
        info.embedding_size != info_.embedding_size) {
      throw std::runtime_error("the fresh runner is not like the first one");
    }
    runner_->say_alive_to([env] { env->progress.touch(ProgressStage::kExecutor, env->now()); });
  }

  caf::behavior behavior() override {
    return {
        [this](RunStep& step) { run(std::move(step.plan)); },
        [this](const RunnerBroke& broke) {
          log(LogLevel::kError, "actors", "executor's runner is broken: " + broke.why);
          self_->quit(caf::make_error(caf::sec::runtime_error));
        },
    };
  }

 private:
  // A plan on its way. The callback carries only a pointer to it, so that handing a plan over allocates nothing.
  struct Flight {
    Executor* executor = nullptr;
    StepPlanPtr plan;
    caf::actor batcher;
    std::optional<ProfiledBlock> block;
  };

  void run(StepPlanPtr plan) {
    if (broken_) return;
    Flight& flight = flights_[submitted_++ % kFlightsMax];
    flight.plan = plan;
    flight.block.emplace(profiler_.get(), "executor", "step");
    flight.batcher = caf::actor_cast<caf::actor>(self_->current_sender());
    runner_->submit(std::move(plan),
                    [&flight](const Result<StepResult>& result) { flight.executor->done(flight, result); });
  }

  // On any thread, perhaps while the actor ends. The slot is free before the batcher hears of it.
  void done(Flight& flight, const Result<StepResult>& result) {
    flight.block.reset();
    StepPlanPtr plan = std::move(flight.plan);
    caf::actor batcher = std::move(flight.batcher);
    Status fits = result.ok() ? check_result(*plan, *result, info_) : Status(result.error());
    plan.reset();
    if (fits) {
      caf::anon_send(batcher, StepDone{number_, *result});
    } else if (!broken_.exchange(true)) {
      if (auto self = caf::actor_cast<caf::actor>(address_)) caf::anon_send(self, RunnerBroke{fits.error().message});
    }
  }

  caf::event_based_actor* self_;
  caf::actor_addr address_;
  const std::uint64_t number_;
  const RunnerInfo info_;
  const std::shared_ptr<Profiler> profiler_;
  std::uint64_t submitted_ = 0;
  std::atomic<bool> broken_ = false;
  std::array<Flight, kFlightsMax> flights_;
  std::unique_ptr<StepRunner> runner_;  // last: gone before the flights its callbacks point to
};

}  // namespace

caf::actor spawn_executor(caf::actor_system& system, const ServiceEnvPtr& env, std::uint64_t number) {
  return spawn_actor(system, "executor", env->options.detached, [env, number](caf::event_based_actor* self) {
    return std::make_unique<Executor>(self, env, number);
  });
}

}  // namespace troupe
