#pragma once
// What every actor of one service is given when it starts: doors, limits, and the few numbers that are read from
// outside. Everything but the numbers stays as it was made; the numbers are atomics. No CAF here.
#include <atomic>
#include <memory>

#include "actors/actor_service.hpp"
#include "runtime/progress.hpp"
#include "runtime/tenants.hpp"

namespace troupe {

struct ServiceStatus {
  std::atomic<std::uint32_t> live = 0;  // request actors
  std::atomic<bool> draining = false;
  std::atomic<int> failed_stage = -1;  // a ProgressStage once the supervisor has given up
  std::atomic<bool> has_lost_supervisor = false;
  std::atomic<std::uint32_t> retry_after_s = 1;
  std::atomic<std::uint64_t> steps_started = 0;
  std::atomic<std::uint64_t> steps_completed = 0;
  std::atomic<std::uint64_t> batcher_messages = 0;

  // What an operator or a reload may change while requests run.
  std::atomic<bool> is_paused = false;            // an operator drains this server
  std::atomic<std::uint32_t> max_tokens_max = 0;  // the clamp; 0: none
  std::atomic<bool> uses_result_cache = true;
  std::atomic<bool> shares_prefixes = true;
  std::atomic<std::size_t> result_cache_bytes = 0;
  std::atomic<std::chrono::milliseconds> stall{};

  bool has_result_cache() const { return uses_result_cache.load() && result_cache_bytes.load() > 0; }
};

struct ServiceEnv {
  ActorServiceOptions options;
  RunnerInfo runner;       // of the first runner; every later one must say the same
  SchedulerLimits limits;  // what the options ask for, within what the runner can do
  Progress progress;
  ServiceStatus status;
  Tenants tenants;

  SteadyTime now() const { return options.clock(); }
  Metrics& metrics() { return *options.metrics; }
  // What a token of its answer may take, or the vector that is its answer.
  std::uint64_t token_bytes(const Request& request) const {
    return request.embeds() ? embedding_bytes(runner.embedding_size) : answer_bytes(1, request.logprobs);
  }
  // What the prompt may take as a part of the answer.
  static std::uint64_t prompt_bytes(const Request& request, std::uint64_t tokens) {
    return request.shows_prompt() ? answer_bytes(tokens, request.prompt_logprobs) : 0;
  }
  Profiler* profiler() const { return options.profiler.get(); }
};
using ServiceEnvPtr = std::shared_ptr<ServiceEnv>;

// Work handed to a stage, for as long as the message or job that carries it exists: whether it is handled, dropped
// or dies in the mailbox of a dead actor, it ends.
class WorkMark {
 public:
  WorkMark(ServiceEnvPtr env, ProgressStage stage) : env_(std::move(env)), stage_(stage) {
    env_->progress.begin(stage_, env_->now());
  }
  ~WorkMark() { env_->progress.end(stage_, env_->now()); }
  WorkMark(const WorkMark&) = delete;
  WorkMark& operator=(const WorkMark&) = delete;

 private:
  ServiceEnvPtr env_;
  ProgressStage stage_;
};
using WorkMarkPtr = std::shared_ptr<const WorkMark>;

// One of the requests_max places, with the one its tenant has given; taken before a request actor is spawned, given
// back when its state is gone.
class LiveSlot {
 public:
  LiveSlot(ServiceEnvPtr env, TenantStanding tenant) : env_(std::move(env)), tenant_(std::move(tenant)) {}
  ~LiveSlot() {
    env_->tenants.leave(tenant_);
    env_->status.live.fetch_sub(1);
  }
  LiveSlot(const LiveSlot&) = delete;
  LiveSlot& operator=(const LiveSlot&) = delete;

  // nullptr when all are taken; the tenant's place is given back then.
  static std::shared_ptr<LiveSlot> take(const ServiceEnvPtr& env, TenantStanding tenant = {}) {
    if (env->status.live.fetch_add(1) < env->options.requests_max) {
      return std::make_shared<LiveSlot>(env, std::move(tenant));
    }
    env->status.live.fetch_sub(1);
    env->tenants.leave(tenant);
    return nullptr;
  }

 private:
  ServiceEnvPtr env_;
  TenantStanding tenant_;
};

}  // namespace troupe
