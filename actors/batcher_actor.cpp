#include "actors/batcher_actor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>

#include <algorithm>
#include <unordered_map>

#include "actors/messages.hpp"
#include "actors/shell.hpp"
#include "runtime/batcher.hpp"

namespace troupe {
namespace {

class BatcherLogic final : public ActorLogic {
 public:
  BatcherLogic(caf::event_based_actor* self, ServiceEnvPtr env, std::uint64_t epoch)
      : self_(self),
        env_(std::move(env)),
        epoch_(epoch),
        batcher_({env_->limits, env_->options.slo, env_->options.window, env_->runner.blocks_total,
                  env_->options.prefix_cache}) {
    batcher_.kv().set_sharing(env_->status.shares_prefixes.load());
    publish();
  }

  caf::behavior behavior() override {
    return {
        [this](Enqueue& message) { handled(), enqueue(message); },
        [this](const Drop& message) { handled(), forget(message.id, message.asked, true), went_on(); },
        [this](StepDone& message) { handled(), step_done(message); },
        [this](ExecutorIs& message) { handled(), executor_is(message); },
        [this](const WindowTick&) { handled(), window_ends_.reset(), went_on(); },
        [this](const BeginDrain&) { handled(), draining_ = true, batcher_.drain(), went_on(); },
        [this](const SharePrefixes& message) { handled(), batcher_.kv().set_sharing(message.on), publish(); },
        [this](const DropCachedBlocks&) { return handled(), drop_cached_blocks(); },
    };
  }

  void down(const caf::down_msg& message) override {
    handled();
    auto entry = by_actor_.find(message.source.id());
    if (entry == by_actor_.end()) return;
    forget(entry->second, std::nullopt, false);
    went_on();
  }

 private:
  void handled() { env_->status.batcher_messages.fetch_add(1, std::memory_order_relaxed); }

  void enqueue(Enqueue& message) {
    ProfiledBlock block(env_->profiler(), "batcher", "enqueue");
    auto request = caf::actor_cast<caf::actor>(self_->current_sender());
    RequestId id = message.sequence.id;
    // Once accepted it is ours: a sequence that has tokens is continued even while draining.
    Status status = draining_ && message.sequence.emitted.empty()
                        ? Status(Error{ErrorCode::kShuttingDown, "the server is shutting down", "", 1})
                        : batcher_.enqueue(std::move(message.sequence), env_->now());
    message.mark.reset();
    if (!status) {
      self_->send(request, Refused{epoch_, status.error()});
      return publish();
    }
    self_->monitor(request);
    by_actor_.emplace(request.id(), id);
    clients_.emplace(id, request);
    advance();
    self_->send(request, Accepted{epoch_});
    deliver();
    publish();
  }

  void forget(RequestId id, std::optional<SteadyTime> asked, bool is_alive) {
    batcher_.drop(id, asked, env_->now());
    auto entry = clients_.find(id);
    if (entry == clients_.end()) return;
    if (is_alive) self_->demonitor(entry->second.address());
    by_actor_.erase(entry->second.id());
    clients_.erase(entry);
  }

  void step_done(const StepDone& message) {
    ProfiledBlock block(env_->profiler(), "batcher", "step done");
    SteadyTime now = env_->now();
    SteadyTime next_at = env_->now();
    if (message.executor != executor_number_ || !batcher_.step_done(message.result, now)) return;
    begin_next_stages(0, next_at);
    env_->progress.end(ProgressStage::kExecutor, now);
    env_->status.steps_completed.fetch_add(1, std::memory_order_relaxed);
    env_->metrics().step_duration.observe(batcher_.last_step());
    went_on();
  }

  Dropped drop_cached_blocks() {
    Dropped dropped{batcher_.kv().counts().cached};
    batcher_.kv().drop_cached();
    publish();
    return dropped;
  }

  void executor_is(ExecutorIs& message) {
    SteadyTime now = env_->now();
    executor_number_ = message.number;
    executor_ = std::move(message.executor);
    env_->progress.reset(ProgressStage::kExecutor, now);
    batcher_.executor_lost(now);
    begin_next_stages(0, env_->now());
    went_on();
  }

  // The device works on before anybody hears the news.
  void went_on() { advance(), deliver(), publish(); }

  // Starts every step that can start now.
  void advance() {
    if (!executor_) return;
    ProfiledBlock block(env_->profiler(), "batcher", "plan");
    for (;;) {
      SteadyTime now = env_->now();
      SteadyTime next_at = env_->now();
      std::size_t known = batcher_.events().size();
      auto step = batcher_.next_step(now);
      begin_next_stages(known, next_at);
      if (!step) break;
      start(std::move(*step));
    }
    if (auto wake = batcher_.wake_at()) wait_until(*wake);
  }

  // Each event from `first` on ends a stage at its `at`; the next one begins with a clock read of its own, right behind
  // that one: what happens between the two would be nobody's time.
  void begin_next_stages(std::size_t first, SteadyTime next_at) {
    for (std::size_t i = first; i < batcher_.events().size(); ++i) batcher_.events()[i].next_at = next_at;
  }

  void wait_until(SteadyTime time) {
    if (window_ends_ && *window_ends_ <= time) return;  // that timer asks again
    window_ends_ = time;
    self_->delayed_send(self_, std::max(time - env_->now(), SteadyTime::duration::zero()), WindowTick{});
  }

  void start(Batcher::Step step) {
    Metrics& metrics = env_->metrics();
    env_->progress.begin(ProgressStage::kExecutor, env_->now());
    env_->status.steps_started.fetch_add(1, std::memory_order_relaxed);
    metrics.batch_size.observe(static_cast<double>(step.plan->rows.size()));
    metrics.step_tokens.observe(static_cast<double>(step.plan->tokens.size()));
    metrics.batch_closes.count(step.close);
    metrics.step_bounds.count(batcher_.window().bound());
    self_->send(executor_, RunStep{std::move(step.plan)});
  }

  void deliver() {
    for (SequenceEvent& event : batcher_.events()) {
      auto entry = clients_.find(event.id);
      if (entry == clients_.end()) continue;  // it left in the meantime
      bool is_last = event.kind == SequenceEvent::Kind::kFinished || event.kind == SequenceEvent::Kind::kFailed;
      RequestId id = event.id;
      self_->send(entry->second, SequenceNews{epoch_, std::move(event)});
      if (is_last) forget(id, std::nullopt, true);
    }
    batcher_.events().clear();
    for (std::chrono::nanoseconds free : batcher_.frees()) env_->metrics().cancel_to_free.observe(free);
    batcher_.frees().clear();
  }

  void publish() {
    Metrics& metrics = env_->metrics();
    SchedulerCounts counts = batcher_.scheduler().counts();
    KvManager::Counts blocks = batcher_.kv().counts();
    metrics.queue_requests.set(counts.waiting);
    metrics.queue_tokens.set(static_cast<double>(counts.waiting_tokens));
    metrics.running_sequences.set(counts.running);
    metrics.oldest_waiting(counts.oldest_waiting);
    for (std::size_t at = 0; at < kTenantClasses; ++at) {
      metrics.tenant_load(static_cast<TenantClass>(at), counts.tenants[at].waiting, counts.tenants[at].running);
    }
    metrics.kv_blocks.set(KvState::kFree, blocks.free);
    metrics.kv_blocks.set(KvState::kCached, blocks.cached);
    metrics.kv_blocks.set(KvState::kReferenced, blocks.referenced);
    metrics.preemptions.add(counts.preemptions_total - published_.preemptions_total);
    metrics.prefix_query_tokens.add(counts.prefix_query_tokens_total - published_.prefix_query_tokens_total);
    metrics.prefix_hit_tokens.add(counts.prefix_hit_tokens_total - published_.prefix_hit_tokens_total);
    metrics.retries.add(counts.retries_total - published_.retries_total);
    metrics.recomputed_tokens.add(counts.recomputed_tokens_total - published_.recomputed_tokens_total);
    metrics.discarded_tokens.add(counts.discarded_tokens_total - published_.discarded_tokens_total);
    published_ = counts;
    publish_window();
    env_->status.retry_after_s.store(batcher_.retry_after_s(env_->now()), std::memory_order_relaxed);
  }

  void publish_window() {
    Metrics& metrics = env_->metrics();
    const BatchWindow& window = batcher_.window();
    metrics.batch_window.set(window.window_ms() / 1000);
    metrics.step_target.set(window.step_ms() / 1000);
    metrics.sequences_limit.set(window.sequences_max());
    metrics.step_model_gain.set(window.model().gain());
    metrics.step_model_spread.set(window.model().spread());
    metrics.step_model_error.set(window.model().error());
    metrics.gap_trim.set(window.trim());
    for (int k = 0; k < kPromptClasses; ++k) {
      metrics.admission_doubt.set(static_cast<PromptClass>(k), batcher_.admission().doubt(k));
    }
    const Goodput& goodput = batcher_.goodput();
    auto add = [&](Verdict verdict, std::uint64_t now, std::uint64_t before) {
      metrics.goodput_requests.add(verdict, now - before);
    };
    add(Verdict::kGood, goodput.good_requests, goodput_.good_requests);
    add(Verdict::kLateFirstToken, goodput.late_first_token, goodput_.late_first_token);
    add(Verdict::kLateGaps, goodput.late_gaps, goodput_.late_gaps);
    metrics.goodput_tokens.add(goodput.good_tokens - goodput_.good_tokens);
    metrics.infeasible.add(goodput.infeasible - goodput_.infeasible);
    goodput_ = goodput;
    metrics.refused_late.add(batcher_.refused_total() - refused_);
    refused_ = batcher_.refused_total();
    const RetryLine& line = batcher_.retry_line();
    metrics.retry_line.set(static_cast<double>(line.size()));
    metrics.retry_places.add(PlaceEnd::kKept, line.kept_total() - places_kept_);
    metrics.retry_places.add(PlaceEnd::kLost, line.lost_total() - places_lost_);
    places_kept_ = line.kept_total(), places_lost_ = line.lost_total();
  }

  caf::event_based_actor* self_;
  const ServiceEnvPtr env_;
  const std::uint64_t epoch_;
  Batcher batcher_;

  caf::actor executor_;
  std::uint64_t executor_number_ = 0;
  std::unordered_map<RequestId, caf::actor> clients_;
  std::unordered_map<caf::actor_id, RequestId> by_actor_;
  std::optional<SteadyTime> window_ends_;  // a timer is under way
  SchedulerCounts published_;              // what the metrics have seen
  Goodput goodput_;
  std::uint64_t places_kept_ = 0, places_lost_ = 0;
  std::uint64_t refused_ = 0;
  bool draining_ = false;
};

}  // namespace

caf::actor spawn_batcher(caf::actor_system& system, const ServiceEnvPtr& env, std::uint64_t epoch) {
  return spawn_actor(system, "batcher", env->options.detached, [env, epoch](caf::event_based_actor* self) {
    return std::make_unique<BatcherLogic>(self, env, epoch);
  });
}

}  // namespace troupe
