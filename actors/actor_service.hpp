#pragma once
// The inference service on actors: one actor per request, a batcher, an executor, a cache, and a supervisor over
// them. Include this from anywhere; the actor framework stays behind it.
#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/batch_window.hpp"
#include "runtime/doors/access_log.hpp"
#include "runtime/doors/admin_service.hpp"
#include "runtime/doors/clock.hpp"
#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/step_runner.hpp"
#include "runtime/doors/text_codec.hpp"
#include "runtime/memory_governor.hpp"
#include "runtime/metrics.hpp"
#include "runtime/profiler.hpp"
#include "runtime/scheduler.hpp"
#include "runtime/tenant_rule.hpp"
#include "runtime/work_queue.hpp"

namespace troupe {

struct ActorServiceOptions {
  // The doors; all are needed. The service closes `text_workers` when it ends.
  std::shared_ptr<const TextCodec> codec;
  StepRunnerFactory new_runner;
  std::shared_ptr<WorkQueue> text_workers;
  std::shared_ptr<Metrics> metrics;
  Clock clock = steady_clock();
  MemoryGovernorPtr memory;               // of everything that grows with requests; none: nothing is counted
  std::shared_ptr<AccessLog> access_log;  // hears of every sequence that ended; may be none
  std::shared_ptr<Profiler> profiler;     // hears what the actors do while somebody profiles; may be none

  SchedulerLimits limits;  // lowered to what the runner can do
  Slo slo;
  BatchWindowOptions window;
  bool prefix_cache = true;

  std::uint32_t requests_max = 1024;        // live requests, tokenizing ones included: some 10 KiB and a prompt each
  std::vector<TenantRule> tenants;          // those with a name
  std::size_t result_cache_bytes = 0;       // 0: no result cache
  std::uint32_t followers_max = 256;        // requests that wait for one and the same answer to be computed
  std::chrono::milliseconds stall{10'000};  // a stage with work and no progress for so long is stalled
  std::chrono::milliseconds stop{5'000};    // for the actors to end, in the destructor; then they are left behind
  std::uint32_t deaths_max = 10;            // of one actor within death_window without a step in between; one request
                                            // that kills the executor costs 3
  std::chrono::seconds death_window{60};

  bool detached = true;             // batcher and executor have threads of their own; off in tests
  std::uint32_t actor_threads = 1;  // of all other actors
};

// What can be changed while requests run.
struct ServiceTuning {
  std::size_t result_cache_bytes = 0;
  std::chrono::milliseconds stall{10'000};
  std::vector<TenantRule> tenants;
};

class ActorService final : public InferenceService, public AdminService {
 public:
  // Makes the first runner (and keeps it): kInternal when that fails.
  static Result<std::unique_ptr<ActorService>> create(ActorServiceOptions options);
  // Cancels what still runs and ends the actors. Takes little more than options.stop even when one of them hangs;
  // that one is then left behind with what it uses, and the process should exit.
  ~ActorService() override;

  std::shared_ptr<ResponseStream> submit(Request request) override;
  void tokenize(TokenizeJob job, std::function<void(Result<std::vector<TokenId>>)> done) override;
  void detokenize(std::vector<TokenId> tokens, std::function<void(Result<std::string>)> done) override;
  Readiness readiness() const override;
  std::uint32_t retry_after_s() const override;

  void set_draining(bool on) override;
  void shed(std::int32_t below_priority, Done<std::uint32_t> done) override;
  void cancel_tenant(std::string tenant, Done<std::uint32_t> done) override;
  void clamp(std::optional<std::uint32_t> max_tokens) override;
  Status switch_caches(CacheSwitches switches) override;
  CacheSwitches caches() const override;
  void state(Done<ServiceState> done) override;
  void trim(Done<TrimReport> done) override;

  Status can_retune(const ServiceTuning& tuning) const;  // kConfiguration: too many tenants since the start
  void retune(const ServiceTuning& tuning);              // after that

  // Refuses what comes from now on, waits until `deadline` for what runs, then cancels the rest. Blocks; call it
  // from main's thread. Returns whether nothing had to be cancelled.
  bool drain(SteadyTime deadline);

  std::uint32_t live_requests() const;
  const RunnerInfo& runner_info() const;

 private:
  struct State;
  explicit ActorService(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace troupe
