#include "test/actors/actor_bench.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

#include "actors/shell.hpp"
#include "actors/supervisor.hpp"

namespace troupe::test {
namespace {

// Says hello as a request does and ends.
class Probe final : public ActorLogic {
 public:
  Probe(caf::event_based_actor* self, caf::actor supervisor, std::shared_ptr<Wiring> found)
      : self_(self), supervisor_(std::move(supervisor)), found_(std::move(found)) {}
  caf::behavior behavior() override {
    self_->request(supervisor_, caf::infinite, Hello{}).then([this](const Wiring& wiring) {
      *found_ = wiring;
      self_->quit();
    });
    return {[](const Cancel&) {}};
  }

 private:
  caf::event_based_actor* self_;
  caf::actor supervisor_;
  std::shared_ptr<Wiring> found_;
};

}  // namespace

ActorBench::ActorBench(ScriptedOptions the_runner) : runner(std::move(the_runner)) {
  system_ = std::make_unique<caf::actor_system>(config_);
  env = std::make_shared<ServiceEnv>();
  env->options = bench_options(scripted_runners(runner));
  env->options.clock = [this] { return now(); };
  env->runner = runner.info;
  env->limits.context_length = runner.info.context_length;
  env->limits.steps_in_flight = runner.info.steps_in_flight;
}

ActorBench::~ActorBench() {
  if (supervisor) {
    caf::anon_send(supervisor, CancelAll{});
    run();
    caf::anon_send(supervisor, Stop{});
    run();
  }
  supervisor = nullptr;
  env->options.text_workers->close();
}

void ActorBench::start() {
  env->status.result_cache_bytes = env->options.result_cache_bytes;
  env->status.stall = env->options.stall;
  supervisor = spawn_supervisor(*system_, env);
  run();
}

ActorBench::Live ActorBench::submit(Request request) {
  RequestJob job;
  job.is_deterministic = request.is_deterministic();
  request.id = ++last_id_;
  if (!request.sampling.seed) request.sampling.seed = 1;
  job.request = std::move(request);
  job.received = env->now();
  job.submitted = env->now();
  job.stream = std::make_shared<ResponseStream>(last_id_);
  job.slot = LiveSlot::take(env);
  REQUIRE(job.slot);
  auto stream = job.stream;
  auto facts = job.live;
  auto answer = std::make_shared<LiveAnswer>(env, std::move(job));
  return {spawn_request(*system_, env, supervisor, std::move(answer)).address(), stream, facts};
}

Request ActorBench::request(std::string_view prompt, std::uint32_t max_tokens) const {
  Request request = request_for(ids_of(prompt), max_tokens);
  request.arrived = env->now();
  return request;
}

void ActorBench::Live::cancel(CancelReason reason) const { stream->cancel(reason); }

bool ActorBench::run_until(const std::function<bool()>& is_true) {
  while (!is_true()) {
    if (!coordinator().try_run_once()) return is_true();
  }
  return true;
}

caf::scheduler::test_coordinator& ActorBench::coordinator() {
  return dynamic_cast<caf::scheduler::test_coordinator&>(system_->scheduler());
}

Wiring ActorBench::wiring() {
  auto found = std::make_shared<Wiring>();
  spawn_actor(*system_, "probe", false,
              [this, found](caf::event_based_actor* self) { return std::make_unique<Probe>(self, supervisor, found); });
  run_until([&] { return found->epoch > 0; });
  return *found;
}

std::uint32_t ActorBench::blocks_in_use() const {
  return static_cast<std::uint32_t>(env->options.metrics->kv_blocks.value(KvState::kReferenced));
}

}  // namespace troupe::test
