#include "actors/request_actor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include "actors/answer_text.hpp"
#include "actors/messages.hpp"
#include "actors/prompt_tokens.hpp"
#include "actors/shell.hpp"
#include "actors/text_jobs.hpp"
#include "runtime/result_key.hpp"

namespace troupe {
namespace {

class RequestLogic final : public ActorLogic {
 public:
  RequestLogic(caf::event_based_actor* self, ServiceEnvPtr env, caf::actor supervisor, LiveAnswerPtr answer)
      : self_(self), env_(std::move(env)), supervisor_(std::move(supervisor)), answer_(std::move(answer)) {}

  // However this actor ended, nobody works for it any more; an answer that was not done goes to another one.
  ~RequestLogic() override {
    answer_->stream().set_canceller({});  // it would keep this actor's memory as long as the stream's readers live
    if (in_batcher_) self_->send(wiring_.batcher, Drop{answer_->request().id, cancel_asked_});
    if (in_cache_) self_->send(wiring_.cache, Leave{key_});
    if (answer_->has_ended() || !answer_->survives_its_actor()) return;
    self_->send(supervisor_, TakeUp{std::move(answer_)});
  }

  caf::behavior behavior() override {
    answer_->stream().set_canceller([address = self_->address(), clock = env_->options.clock](CancelReason reason) {
      if (auto alive = caf::actor_cast<caf::actor>(address)) {
        caf::anon_send<caf::message_priority::high>(alive, Cancel{reason, clock()});
      }
    });
    text_.emplace(*env_->options.codec, answer_->request().stop.stop);  // may throw
    self_->request(supervisor_, caf::infinite, Hello{answer_->request().deadline, answer_->job().live})
        .then([this](Wiring& wiring) { greeted(std::move(wiring)); },
              [this](caf::error&) { cancelled(CancelReason::kShutdown); });
    return {
        [this](Tokenized& message) {
          ProfiledBlock block(env_->profiler(), "request", "tokenized");
          tokenized(std::move(message.tokens));
        },
        [this](CacheAnswer& message) {
          ProfiledBlock block(env_->profiler(), "request", "cache answered");
          cache_answered(message);
        },
        [this](const Accepted& message) { accepted(message.epoch); },
        [this](Refused& message) { refused(message); },
        [this](SequenceNews& message) {
          ProfiledBlock block(env_->profiler(), "request", "tokens out");
          news(message);
        },
        [this](Wiring& message) { rewired(std::move(message)); },
        [this](const Cancel& message) {
          cancel_asked_ = message.asked.value_or(env_->now()), cancelled(message.reason);
        },
        [this](GiveUp& message) { fail(std::move(message.error)); },
    };
  }

 private:
  enum class Phase { kStarting, kTokenizing, kAsking, kRunning, kEnded };

  // ---- tokenize
  void greeted(Wiring wiring) {
    if (phase_ == Phase::kEnded) return;
    wiring_ = std::move(wiring);
    if (answer_->sequence) return take_up();
    phase_ = Phase::kTokenizing;
    PromptInput& input = answer_->request().prompt;
    if (const auto* tokens = std::get_if<std::vector<TokenId>>(&input)) return tokenized(*tokens);
    if (!answer_->prompt) answer_->prompt = std::make_shared<const PromptInput>(std::move(input));
    std::shared_ptr<const PromptInput> prompt = answer_->prompt;
    bool taken = post_text_job(env_, bytes_of(*prompt), [env = env_, me = self_->address(), prompt] {
      if (auto alive = caf::actor_cast<caf::actor>(me)) {  // else the client has left: no work for nobody
        caf::anon_send(alive, Tokenized{prompt_tokens(*env->options.codec, *prompt, true)});
      }
    });
    if (!taken) fail(text_queue_full(*env_));
  }

  void tokenized(Result<std::vector<TokenId>> tokens) {
    if (phase_ != Phase::kTokenizing) return;
    if (Status status = answer_->tokenized(std::move(tokens)); !status) return fail(status.error());
    look_up();
  }

  // What an actor that died left: its tokens are out, their text with them.
  void take_up() {
    answer_->times().end(env_->now());
    if (!answer_->is_accepted()) return look_up();
    take_stock();
    bool stopped = false;
    for (TokenId token : answer_->sequence->emitted) text_->push(token, stopped);
    if (stopped) return end_finished(FinishReason::kStop, env_->now());
    go_on();
  }

  // What is out need not be computed again.
  void take_stock() {
    answer_->sequence->emitted = answer_->emitted();
    answer_->sequence->scored = answer_->scored();
  }

  // With the tokens there are.
  void go_on() {
    const SequenceRequest& sequence = *answer_->sequence;
    bool is_whole = !sequence.emitted.empty() && sequence.emitted.size() >= sequence.max_tokens;
    if (is_whole) return finished(FinishReason::kLength);
    enqueue();
  }

  // ---- result cache
  // Vectors and scores of prompts are not stored: they are large, and seldom asked for twice.
  bool uses_cache() const {
    const Request& request = answer_->request();
    return answer_->job().is_deterministic && !request.embeds() && !request.only_prompt &&
           request.prompt_logprobs < 0 && request.cache != CachePolicy::kNoCache && env_->status.has_result_cache();
  }
  bool stores_result() const { return uses_cache() && answer_->request().cache == CachePolicy::kUse; }

  void look_up() {
    if (!uses_cache()) return enqueue();
    answer_->times().begin(Stage::kCache, env_->now());
    phase_ = Phase::kAsking;
    in_cache_ = true;
    key_ = result_key(answer_->request(), answer_->sequence->prompt, env_->runner.numerics_class);
    self_->send(wiring_.cache, Lookup{key_, stores_result(), mark(ProgressStage::kCache)});
  }

  void cache_answered(const CacheAnswer& answer) {
    if (phase_ != Phase::kAsking) return;
    in_cache_ = answer.kind == CacheAnswer::Kind::kLead;
    answer_->times().end(env_->now());
    if (answer.kind != CacheAnswer::Kind::kHit) return enqueue();
    answer_->replay(*answer.result);
    leave();
  }

  // ---- batcher
  void enqueue() {
    if (!answer_->is_scheduled()) answer_->times().begin(Stage::kQueue, env_->now());
    phase_ = Phase::kRunning;
    in_batcher_ = true;
    self_->send(wiring_.batcher, Enqueue{*answer_->sequence, mark(ProgressStage::kBatcher)});
  }

  void accepted(std::uint64_t epoch) {
    if (phase_ != Phase::kRunning || epoch != wiring_.epoch || answer_->is_accepted()) return;
    answer_->accept(static_cast<std::uint32_t>(answer_->sequence->prompt.size()), 0, false);
  }

  void refused(Refused& message) {
    if (phase_ != Phase::kRunning || message.epoch != wiring_.epoch) return;
    in_batcher_ = false;
    fail(std::move(message.error));
  }

  void rewired(Wiring wiring) {
    if (phase_ == Phase::kEnded || phase_ == Phase::kStarting) return;
    bool batcher_is_new = wiring.epoch != wiring_.epoch;
    if (batcher_is_new) in_batcher_ = false;
    bool cache_is_new = wiring.cache != wiring_.cache;
    wiring_ = std::move(wiring);
    if (cache_is_new) in_cache_ = false;
    if (cache_is_new && phase_ == Phase::kAsking) return cache_answered(CacheAnswer{});
    if (!batcher_is_new || phase_ != Phase::kRunning) return;
    if (!answer_->survives_its_batcher()) {
      return fail(Error{ErrorCode::kInternal, "the request was interrupted too often", "", 0});
    }
    take_stock();
    answer_->times().end(env_->now());
    go_on();
  }

  // ---- tokens
  void news(SequenceNews& message) {
    if (phase_ != Phase::kRunning || message.epoch != wiring_.epoch) return;
    SequenceEvent& event = message.event;
    switch (event.kind) {
      case SequenceEvent::Kind::kScheduled:
        return answer_->scheduled(event);
      case SequenceEvent::Kind::kScored:
        return answer_->scored(event);
      case SequenceEvent::Kind::kToken:
        return token(event);
      case SequenceEvent::Kind::kFinished: {
        in_batcher_ = false;
        answer_->decoded(event.at, event.next_at);
        if (!event.embedding.empty()) answer_->embedded(std::move(event.embedding));
        return finished(event.finish);
      }
      case SequenceEvent::Kind::kFailed: {
        in_batcher_ = false;
        if (event.error.code == ErrorCode::kDeadlineExceeded) return cancelled(CancelReason::kDeadline);
        return fail(std::move(event.error));
      }
    }
  }

  void token(SequenceEvent& event) {
    bool stopped = false;
    answer_->token(event, text_->push(event.token, stopped));
    if (!stopped) return;
    answer_->decoded(event.at, event.next_at);
    end_finished(FinishReason::kStop, env_->now());
  }

  void finished(FinishReason reason) {
    SteadyTime now = env_->now();
    bool stopped = false;
    if (const std::string& rest = text_->finish(stopped); !rest.empty()) answer_->text(rest);
    end_finished(stopped ? FinishReason::kStop : reason, now);
  }

  // ---- the end
  void end_finished(FinishReason reason, SteadyTime now) {
    if (stores_result() && in_cache_) self_->send(wiring_.cache, Publish{key_, answer_->stored(reason)});
    in_cache_ = false;
    answer_->finish(reason, now);
    leave();
  }
  void fail(Error error) { answer_->fail(std::move(error)), leave(); }
  void cancelled(CancelReason reason) { answer_->cancel(reason), leave(); }
  void leave() {
    if (std::exchange(phase_, Phase::kEnded) != Phase::kEnded) self_->quit();
  }

  WorkMarkPtr mark(ProgressStage stage) const { return std::make_shared<WorkMark>(env_, stage); }

  caf::event_based_actor* self_;
  const ServiceEnvPtr env_;
  const caf::actor supervisor_;
  LiveAnswerPtr answer_;
  std::optional<AnswerText> text_;

  Phase phase_ = Phase::kStarting;
  Wiring wiring_;
  ResultKey key_{};
  std::optional<SteadyTime> cancel_asked_;
  bool in_batcher_ = false;  // it has to be told when we end
  bool in_cache_ = false;    // we wait for an answer there, or others wait for ours
};

}  // namespace

caf::actor spawn_request(caf::actor_system& system, const ServiceEnvPtr& env, const caf::actor& supervisor,
                         LiveAnswerPtr answer) {
  return spawn_actor(system, "request", false, [env, supervisor, answer = std::move(answer)](auto* self) mutable {
    return std::make_unique<RequestLogic>(self, env, supervisor, std::move(answer));
  });
}

}  // namespace troupe
