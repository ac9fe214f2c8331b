#include "actors/supervisor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <malloc.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>

#include "actors/batcher_actor.hpp"
#include "actors/cache_actor.hpp"
#include "actors/deadline_table.hpp"
#include "actors/executor_actor.hpp"
#include "actors/messages.hpp"
#include "actors/request_actor.hpp"
#include "actors/restart_limit.hpp"
#include "actors/service_state.hpp"
#include "actors/shell.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

constexpr int kHungAfterStalls = 3;            // of health.stall_ms: /ready says so after one; a long step is no hang
constexpr std::chrono::seconds kTrimLimit{5};  // for a stage to drop what it keeps

class Supervisor final : public ActorLogic {
 public:
  Supervisor(caf::event_based_actor* self, ServiceEnvPtr env)
      : self_(self),
        env_(std::move(env)),
        executor_deaths_(env_->options.deaths_max, env_->options.death_window),
        batcher_deaths_(env_->options.deaths_max, env_->options.death_window),
        cache_deaths_(env_->options.deaths_max, env_->options.death_window) {}

  // The root has nobody above it. Requests that are live go on without being watched, new ones are refused.
  ~Supervisor() override {
    if (is_stopped_) return;
    log(LogLevel::kError, "actors", "the supervisor died");
    env_->status.has_lost_supervisor.store(true);
  }

  caf::behavior behavior() override {
    start_cache();
    start_batcher();
    start_executor();
    return {
        [this](const Hello& message) { return hello(message); },
        [this](TakeUp& message) { take_up(std::move(message.answer)); },
        [this](const DeadlineTick&) { deadline_tick(); },
        [this](const WatchTick&) { watch_tick(); },
        [this](Drain& message) { drain(message); },
        [this](const CancelAll& message) { cancel_all(message.reason); },
        [this](const Stop&) { stop(); },
        [this](const Shed& message) { shed(message); },
        [this](const CancelTenant& message) { cancel_tenant(message); },
        [this](const AskState& message) { message.reply->answer(state()); },
        [this](const Trim& message) { trim(message.reply); },
        [this](const CacheBudget& message) { tell(cache_, message); },
        [this](const YieldMemory& message) { tell(cache_, message); },
        [this](const SharePrefixes& message) { tell(batcher_, message); },
    };
  }

  void down(const caf::down_msg& message) override {
    caf::actor_id who = message.source.id();
    if (is(executor_, who)) return executor_died();
    if (is(batcher_, who)) return batcher_died();
    if (is(cache_, who)) return cache_died();
    deadlines_.remove(who);
    requests_.erase(who);
    tell_if_empty();
  }

 private:
  static bool is(const caf::actor& actor, caf::actor_id id) { return actor && actor.id() == id; }

  // ---- children
  void start_cache() {
    cache_ = spawn_cache(self_->system(), env_);
    self_->monitor(cache_);
  }
  void start_batcher() {
    batcher_ = spawn_batcher(self_->system(), env_, ++epoch_);
    self_->monitor(batcher_);
    if (draining_) self_->send(batcher_, BeginDrain{});
  }
  void start_executor() {
    executor_ = spawn_executor(self_->system(), env_, ++executors_);
    self_->monitor(executor_);
    self_->send(batcher_, ExecutorIs{executors_, executor_});
  }

  void executor_died() {
    env_->metrics().executor_restarts.count();
    if (!may_restart(executor_deaths_)) return give_up(ProgressStage::kExecutor);
    start_executor();
  }

  void batcher_died() {
    if (!may_restart(batcher_deaths_)) return give_up(ProgressStage::kBatcher);
    env_->progress.reset(ProgressStage::kBatcher, env_->now());
    end(executor_);
    start_batcher();
    start_executor();
    tell_wiring();
  }

  void cache_died() {
    if (!cache_deaths_.died(env_->now())) return give_up(ProgressStage::kCache);
    start_cache();
    tell_wiring();
  }

  // ---- hangs
  // While requests are live somebody looks whether the stages get on; on an idle server nothing is pending.
  void watch() {
    if (std::exchange(is_watching_, true)) return;
    self_->delayed_send(self_, env_->status.stall.load(), WatchTick{});
  }

  // Whoever hangs is left to its fate, and what it says later is not heard. A text worker keeps its thread, and another
  // one comes; a cache keeps one of the actors' threads, which may be the only one: then nobody is left to look.
  void watch_tick() {
    is_watching_ = false;
    if (requests_.empty() || has_failed()) return;
    if (auto stuck = env_->progress.stuck(env_->now(), kHungAfterStalls * env_->status.stall.load())) {
      log(LogLevel::kError, "actors", std::string("the ") + name_of(stuck->stage) + " hangs");
      if (stuck->stage == ProgressStage::kExecutor) end(executor_), executor_died();
      if (stuck->stage == ProgressStage::kBatcher) end(batcher_), batcher_died();
      if (stuck->stage == ProgressStage::kCache) replace_cache();
      if (stuck->stage == ProgressStage::kText) add_text_worker();
    }
    watch();
  }

  void replace_cache() {
    env_->progress.reset(ProgressStage::kCache, env_->now());
    end(cache_);
    cache_died();
  }

  // None left to add: /ready goes on naming the stage.
  void add_text_worker() {
    if (env_->options.text_workers->add_thread()) env_->progress.reset(ProgressStage::kText, env_->now());
  }

  bool may_restart(RestartLimit& limit) {
    std::uint64_t steps = env_->status.steps_completed.load(std::memory_order_relaxed);
    if (steps != steps_seen_) limit.did_work();
    steps_seen_ = steps;
    return limit.died(env_->now());
  }

  // No monitor: its end is wanted.
  void end(caf::actor& child) {
    if (!child) return;
    self_->demonitor(child.address());
    caf::anon_send_exit(child, caf::exit_reason::user_shutdown);
    child = nullptr;
  }

  void give_up(ProgressStage stage) {
    log(LogLevel::kError, "actors", std::string("the ") + name_of(stage) + " died too often and is not started again");
    env_->status.failed_stage.store(static_cast<int>(stage));
    end(executor_);
    end(batcher_);
    end(cache_);
    for (const auto& [id, request] : requests_) self_->send(request.actor, failure());
  }

  GiveUp failure() const {
    auto stage = static_cast<ProgressStage>(env_->status.failed_stage.load());
    return {Error{ErrorCode::kInternal, std::string("the ") + name_of(stage) + " of this server has failed", "", 0}};
  }
  bool has_failed() const { return env_->status.failed_stage.load() >= 0; }

  // ---- requests
  Wiring hello(const Hello& message) {
    auto request = caf::actor_cast<caf::actor>(self_->current_sender());
    self_->monitor(request);
    requests_.emplace(request.id(), Live{request, message.live ? message.live : std::make_shared<LiveRequest>()});
    if (has_failed()) self_->send(request, failure());
    if (cancelling_) self_->send(request, Cancel{*cancelling_, {}});
    if (message.deadline) {
      deadlines_.add(request.id(), *message.deadline);
      set_timer();
    }
    watch();
    return {epoch_, batcher_, cache_};
  }

  void take_up(LiveAnswerPtr answer) {
    log(LogLevel::kWarning, "actors",
        "the actor of request " + answer->request().external_id + " died; another goes on");
    spawn_request(self_->system(), env_, caf::actor_cast<caf::actor>(self_), std::move(answer));
  }

  void tell_wiring() {
    for (const auto& [id, request] : requests_) self_->send(request.actor, Wiring{epoch_, batcher_, cache_});
  }

  // One timer at a time, at the earliest deadline; none without requests that have one.
  void set_timer() {
    std::optional<SteadyTime> next = deadlines_.next();
    if (!next || (timer_ && *timer_ <= *next)) return;
    timer_ = next;
    self_->delayed_send(self_, std::max(*next - env_->now(), SteadyTime::duration::zero()), DeadlineTick{});
  }

  void deadline_tick() {
    timer_.reset();
    for (caf::actor_id id : deadlines_.expired(env_->now())) {
      auto request = requests_.find(id);
      if (request != requests_.end()) self_->send(request->second.actor, Cancel{CancelReason::kDeadline});
    }
    set_timer();
  }

  // ---- the way down
  void drain(Drain& message) {
    if (!draining_ && batcher_) self_->send(batcher_, BeginDrain{});
    draining_ = true;
    if (message.empty) waiting_for_empty_.push_back(std::move(message.empty));
    tell_if_empty();
  }

  // A request that has a place but has not said hello yet is counted in `live`.
  void tell_if_empty() {
    if (waiting_for_empty_.empty() || !requests_.empty() || env_->status.live.load() > 0) return;
    for (const auto& promise : waiting_for_empty_) promise->set_value();
    waiting_for_empty_.clear();
  }

  void cancel_all(CancelReason reason) {
    cancelling_ = reason;
    for (const auto& [id, request] : requests_) self_->send(request.actor, Cancel{reason});
  }

  // ---- an operator's verbs
  template <class Message>
  void tell(const caf::actor& child, const Message& message) {
    if (child) self_->send(child, message);
  }

  template <class Chosen>
  std::uint32_t cancel_where(CancelReason reason, Chosen&& is_chosen) {
    std::uint32_t count = 0;
    for (const auto& [id, request] : requests_) {
      if (!is_chosen(*request.facts)) continue;
      self_->send(request.actor, Cancel{reason});
      ++count;
    }
    return count;
  }

  void shed(const Shed& message) {
    message.reply->answer(cancel_where(
        CancelReason::kShed, [&](const LiveRequest& request) { return request.priority < message.below_priority; }));
  }

  void cancel_tenant(const CancelTenant& message) {
    message.reply->answer(cancel_where(CancelReason::kOperator, [&](const LiveRequest& request) {
      if (request.tenant.empty()) return message.tenant == tenant_label("");
      return is_tenant_name(message.tenant) ? request.tenant == message.tenant
                                            : request.tenant.starts_with(message.tenant);
    }));
  }

  ServiceState state() const {
    std::vector<const LiveRequest*> live;
    live.reserve(requests_.size());
    for (const auto& [id, request] : requests_) live.push_back(request.facts.get());
    ServiceState state = service_state(*env_, std::move(live));
    state.is_draining = state.is_draining || draining_;
    state.batchers = epoch_;
    state.executors = executors_;
    return state;
  }

  // First the cache, then the batcher, then the allocator. Whoever is dead has nothing to give.
  void trim(const ReplyPtr<TrimReport>& reply) {
    if (!cache_ || !batcher_) {
      return reply->answer(Error{ErrorCode::kNotReady, "a stage of this server has failed", "", 0});
    }
    auto report = std::make_shared<TrimReport>();
    report->resident_bytes_before = resident_bytes();
    auto failed = [reply](const caf::error&) {
      reply->answer(Error{ErrorCode::kNotReady, "a stage did not answer in time; the rest was not trimmed", "", 1});
    };
    self_->request(cache_, kTrimLimit, DropStored{})
        .then(
            [this, report, reply, failed](const Dropped& stored) {
              report->result_bytes_dropped = stored.count;
              if (!batcher_) return failed({});
              self_->request(batcher_, kTrimLimit, DropCachedBlocks{})
                  .then(
                      [report, reply](const Dropped& blocks) {
                        report->kv_blocks_dropped = static_cast<std::uint32_t>(blocks.count);
                        malloc_trim(0);
                        report->resident_bytes_after = resident_bytes();
                        reply->answer(*report);
                      },
                      failed);
            },
            failed);
  }

  void stop() {
    is_stopped_ = true;
    end(executor_);
    end(batcher_);
    end(cache_);
    self_->quit();
  }

  caf::event_based_actor* self_;
  const ServiceEnvPtr env_;
  caf::actor cache_, batcher_, executor_;
  std::uint64_t epoch_ = 0;      // batchers so far
  std::uint64_t executors_ = 0;  // so far
  RestartLimit executor_deaths_, batcher_deaths_, cache_deaths_;
  std::uint64_t steps_seen_ = 0;

  struct Live {
    caf::actor actor;
    LiveRequestPtr facts;
  };
  std::unordered_map<caf::actor_id, Live> requests_;  // at most requests_max
  DeadlineTable deadlines_;                           // of them
  std::optional<SteadyTime> timer_;

  bool is_watching_ = false;
  bool draining_ = false;
  bool is_stopped_ = false;
  std::optional<CancelReason> cancelling_;
  std::vector<std::shared_ptr<std::promise<void>>> waiting_for_empty_;
};

}  // namespace

caf::actor spawn_supervisor(caf::actor_system& system, const ServiceEnvPtr& env) {
  return spawn_actor(system, "supervisor", false,
                     [env](caf::event_based_actor* self) { return std::make_unique<Supervisor>(self, env); });
}

}  // namespace troupe
