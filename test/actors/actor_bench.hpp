#pragma once
// The actors of one service under CAF's test coordinator: one thread, every message delivered by the test, time
// that stands until it is moved. The runner computes within submit, so a run is the same every time.
#include <caf/actor.hpp>
#include <caf/actor_registry.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scheduler/test_coordinator.hpp>

#include <memory>

#include "actors/messages.hpp"
#include "actors/request_actor.hpp"
#include "actors/service_env.hpp"
#include "test/actors/service_bench.hpp"

namespace troupe::test {

struct TestConfig : caf::actor_system_config {
  TestConfig() { set("scheduler.policy", caf::atom("testing")); }
};

class ActorBench {
 public:
  explicit ActorBench(ScriptedOptions the_runner = {});
  ~ActorBench();

  // Spawns the supervisor, with `env->options` as they are then.
  void start();

  struct Live {
    caf::actor_addr actor;
    std::shared_ptr<ResponseStream> stream;
    LiveRequestPtr facts;
    void cancel(CancelReason reason = CancelReason::kClientGone) const;
  };
  Live submit(Request request);
  Request request(std::string_view prompt, std::uint32_t max_tokens) const;  // arrives now

  // Delivers messages until none is left; returns how many slices of work that took.
  std::size_t run() { return coordinator().run(); }
  // Delivers until `is_true` or nothing is left; returns is_true().
  bool run_until(const std::function<bool()>& is_true);
  void advance(std::chrono::nanoseconds by) { coordinator().advance_time(by); }
  SteadyTime now() { return coordinator().clock().now(); }
  caf::scheduler::test_coordinator& coordinator();

  Wiring wiring();  // as the supervisor tells it to a new request; runs everything
  std::uint32_t blocks_in_use() const;
  std::size_t actors() const { return system_->registry().running(); }
  std::uint64_t steps() const { return env->status.steps_started; }

  ScriptedOptions runner;
  ServiceEnvPtr env;
  caf::actor supervisor;

 private:
  TestConfig config_;
  std::unique_ptr<caf::actor_system> system_;
  RequestId last_id_ = 0;
};

}  // namespace troupe::test
