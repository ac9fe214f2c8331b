#include "actors/batcher_actor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "actors/messages.hpp"
#include "actors/shell.hpp"
#include "runtime/batch_window.hpp"
#include "runtime/drain_rate.hpp"

namespace troupe {
namespace {

class Batcher final : public ActorLogic {
 public:
  Batcher(caf::event_based_actor* self, ServiceEnvPtr env, std::uint64_t epoch)
      : self_(self),
        env_(std::move(env)),
        epoch_(epoch),
        kv_(env_->runner.blocks_total, env_->options.prefix_cache),
        scheduler_(env_->limits, kv_),
        window_(env_->options.batch_window) {
    kv_.set_sharing(env_->status.shares_prefixes.load());
    env_->metrics().batch_window.set(std::chrono::duration<double>(window_.window()).count());
    publish();
  }

  caf::behavior behavior() override {
    return {
        [this](Enqueue& message) { handled(), enqueue(message); },
        [this](const Drop& message) { handled(), forget(message.id, true), advance(), deliver(), publish(); },
        [this](StepDone& message) { handled(), step_done(message); },
        [this](ExecutorIs& message) { handled(), executor_is(message); },
        [this](const WindowTick&) { handled(), window_ends_.reset(), advance(), deliver(), publish(); },
        [this](const BeginDrain&) { handled(), draining_ = true; },
        [this](const SharePrefixes& message) { handled(), kv_.set_sharing(message.on), publish(); },
        [this](const DropCachedBlocks&) { return handled(), drop_cached_blocks(); },
    };
  }

  void down(const caf::down_msg& message) override {
    handled();
    auto entry = by_actor_.find(message.source.id());
    if (entry == by_actor_.end()) return;
    forget(entry->second, false);
    advance();
    deliver();
    publish();
  }

 private:
  struct Client {
    caf::actor request;
    std::optional<SteadyTime> deadline;  // while it waits
    bool is_waiting = true;
  };
  struct Flight {
    std::uint64_t step = 0;
    std::uint32_t positions = 0;
    SteadyTime sent{};
  };

  void handled() { env_->status.batcher_messages.fetch_add(1, std::memory_order_relaxed); }

  void enqueue(Enqueue& message) {
    auto request = caf::actor_cast<caf::actor>(self_->current_sender());
    RequestId id = message.sequence.id;
    Client client{request, message.sequence.deadline};
    SteadyTime now = env_->now();
    // Once accepted it is ours: a sequence that has tokens is continued even while draining.
    Status status = draining_ && message.sequence.emitted.empty()
                        ? Status(Error{ErrorCode::kShuttingDown, "the server is shutting down", "", 1})
                        : scheduler_.enqueue(std::move(message.sequence), now);
    message.mark.reset();
    if (!status) {
      Error error = status.error();
      if (error.code == ErrorCode::kQueueFull) error.retry_after_s = retry_after(now);
      self_->send(request, Refused{epoch_, std::move(error)});
      return;
    }
    self_->monitor(request);
    by_actor_.emplace(request.id(), id);
    clients_.emplace(id, std::move(client));
    advance();
    self_->send(request, Accepted{epoch_});
    deliver();
    publish();
  }

  void forget(RequestId id, bool is_alive) {
    scheduler_.drop(id);
    auto entry = clients_.find(id);
    if (entry == clients_.end()) return;
    if (is_alive) self_->demonitor(entry->second.request.address());
    by_actor_.erase(entry->second.request.id());
    clients_.erase(entry);
  }

  void step_done(const StepDone& message) {
    if (message.executor != executor_number_ || flights_.empty()) return;
    if (message.result.step != flights_.front().step) return;
    SteadyTime now = env_->now();
    env_->progress.end(ProgressStage::kExecutor, now);
    env_->status.steps_completed.fetch_add(1, std::memory_order_relaxed);
    env_->metrics().step_duration.observe(std::chrono::nanoseconds(now - flights_.front().sent));
    drain_rate_.completed(flights_.front().positions, now);
    flights_.pop_front();
    scheduler_.apply(message.result, now, events_);
    advance();  // the device works on before anybody hears the news
    deliver();
    publish();
  }

  Dropped drop_cached_blocks() {
    Dropped dropped{kv_.counts().cached};
    kv_.drop_cached();
    publish();
    return dropped;
  }

  void executor_is(ExecutorIs& message) {
    SteadyTime now = env_->now();
    executor_number_ = message.number;
    executor_ = std::move(message.executor);
    flights_.clear();
    env_->progress.reset(ProgressStage::kExecutor, now);
    scheduler_.executor_lost(now, events_);  // without a step in flight it loses nothing
    advance();
    deliver();
    publish();
  }

  // Starts every step that can start now.
  void advance() {
    if (!executor_) return;
    while (scheduler_.in_flight() < scheduler_.limits().steps_in_flight) {
      SteadyTime now = env_->now();
      std::optional<BatchClose> close = may_start(now);
      if (!close) return;
      std::shared_ptr<const StepPlan> plan = scheduler_.plan(now, events_);
      if (!plan) return;
      start(std::move(plan), *close, now);
    }
  }

  // Why a step may start now; nothing: there is no work, or company is waited for.
  std::optional<BatchClose> may_start(SteadyTime now) {
    if (scheduler_.in_flight() > 0) return BatchClose::kRunning;
    if (!scheduler_.has_work()) return std::nullopt;
    SchedulerCounts counts = scheduler_.counts();
    BatchWindowInput input;
    input.now = now;
    input.first_waiting = counts.oldest_waiting;
    input.first_deadline = first_deadline();
    input.waiting = counts.waiting;
    input.running = counts.running;
    input.room = scheduler_.limits().sequences_max - std::min(counts.running, scheduler_.limits().sequences_max);
    BatchDecision decision = window_.decide(input);
    if (!decision.close && draining_) return BatchClose::kIdle;  // no company will come
    if (!decision.close && decision.ask_again != SteadyTime::max()) wait_until(decision.ask_again, now);
    return decision.close;
  }

  void wait_until(SteadyTime time, SteadyTime now) {
    if (window_ends_ && *window_ends_ <= time) return;  // that timer asks again
    window_ends_ = time;
    self_->delayed_send(self_, std::max(time - now, SteadyTime::duration::zero()), WindowTick{});
  }

  // Only an idle executor's window asks: at most queue_max clients are looked at.
  std::optional<SteadyTime> first_deadline() const {
    std::optional<SteadyTime> first;
    if (window_.window() == std::chrono::microseconds::zero()) return first;
    for (const auto& [id, client] : clients_) {
      if (client.is_waiting && client.deadline && (!first || *client.deadline < *first)) first = client.deadline;
    }
    return first;
  }

  void start(std::shared_ptr<const StepPlan> plan, BatchClose close, SteadyTime now) {
    Metrics& metrics = env_->metrics();
    auto positions = static_cast<std::uint32_t>(plan->tokens.size());
    flights_.push_back({plan->step, positions, now});
    env_->progress.begin(ProgressStage::kExecutor, now);
    env_->status.steps_started.fetch_add(1, std::memory_order_relaxed);
    metrics.batch_size.observe(static_cast<double>(plan->rows.size()));
    metrics.step_tokens.observe(static_cast<double>(positions));
    metrics.batch_closes.count(close);
    self_->send(executor_, RunStep{std::move(plan)});
  }

  void deliver() {
    for (SequenceEvent& event : events_) {
      auto entry = clients_.find(event.id);
      if (entry == clients_.end()) continue;  // it left in the meantime
      Client& client = entry->second;
      if (event.kind == SequenceEvent::Kind::kScheduled) client.is_waiting = false;
      if (event.kind == SequenceEvent::Kind::kToken) ++tokens_sampled_;
      bool is_last = event.kind == SequenceEvent::Kind::kFinished || event.kind == SequenceEvent::Kind::kFailed;
      RequestId id = event.id;
      self_->send(client.request, SequenceNews{epoch_, std::move(event)});
      if (!is_last) continue;
      ++sequences_ended_;
      forget(id, true);
    }
    events_.clear();
  }

  std::uint32_t retry_after(SteadyTime now) const { return drain_rate_.retry_after_s(tokens_ahead(), now); }

  // What a newcomer would wait for: the prompts in the queue and as much output for each as sequences had so far.
  std::uint64_t tokens_ahead() const {
    SchedulerCounts counts = scheduler_.counts();
    return counts.waiting_tokens + (sequences_ended_ > 0 ? counts.waiting * tokens_sampled_ / sequences_ended_ : 0);
  }

  void publish() {
    Metrics& metrics = env_->metrics();
    SchedulerCounts counts = scheduler_.counts();
    KvManager::Counts blocks = kv_.counts();
    metrics.queue_requests.set(counts.waiting);
    metrics.queue_tokens.set(static_cast<double>(counts.waiting_tokens));
    metrics.running_sequences.set(counts.running);
    metrics.oldest_waiting(counts.oldest_waiting);
    metrics.kv_blocks.set(KvState::kFree, blocks.free);
    metrics.kv_blocks.set(KvState::kCached, blocks.cached);
    metrics.kv_blocks.set(KvState::kReferenced, blocks.referenced);
    metrics.preemptions.add(counts.preemptions_total - published_.preemptions_total);
    metrics.prefix_query_tokens.add(counts.prefix_query_tokens_total - published_.prefix_query_tokens_total);
    metrics.prefix_hit_tokens.add(counts.prefix_hit_tokens_total - published_.prefix_hit_tokens_total);
    metrics.retries.add(counts.retries_total - published_.retries_total);
    metrics.discarded_tokens.add(counts.discarded_tokens_total - published_.discarded_tokens_total);
    published_ = counts;
    env_->status.retry_after_s.store(retry_after(env_->now()), std::memory_order_relaxed);
  }

  caf::event_based_actor* self_;
  const ServiceEnvPtr env_;
  const std::uint64_t epoch_;
  KvManager kv_;
  Scheduler scheduler_;
  BatchWindow window_;
  DrainRate drain_rate_;

  caf::actor executor_;
  std::uint64_t executor_number_ = 0;
  std::deque<Flight> flights_;  // at most steps_in_flight
  std::unordered_map<RequestId, Client> clients_;
  std::unordered_map<caf::actor_id, RequestId> by_actor_;
  std::vector<SequenceEvent> events_;
  std::optional<SteadyTime> window_ends_;  // a timer is under way
  SchedulerCounts published_;
  std::uint64_t tokens_sampled_ = 0;
  std::uint64_t sequences_ended_ = 0;
  bool draining_ = false;
};

}  // namespace

caf::actor spawn_batcher(caf::actor_system& system, const ServiceEnvPtr& env, std::uint64_t epoch) {
  return spawn_actor(system, "batcher", env->options.detached, [env, epoch](caf::event_based_actor* self) {
    return std::make_unique<Batcher>(self, env, epoch);
  });
}

}  // namespace troupe
