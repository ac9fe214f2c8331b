#include "actors/request_actor.hpp"

#include <caf/actor_cast.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include "actors/access_record.hpp"
#include "actors/answer_text.hpp"
#include "actors/messages.hpp"
#include "actors/prompt_tokens.hpp"
#include "actors/request_times.hpp"
#include "actors/sequence_request.hpp"
#include "actors/shell.hpp"
#include "actors/text_jobs.hpp"
#include "runtime/result_key.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kRetriesMax = 2;  // enqueued again after a batcher's death

class RequestLogic final : public ActorLogic {
 public:
  RequestLogic(caf::event_based_actor* self, ServiceEnvPtr env, caf::actor supervisor, RequestJob job)
      : self_(self),
        env_(std::move(env)),
        supervisor_(std::move(supervisor)),
        job_(std::move(job)),
        request_(job_.request),
        stream_(*job_.stream),
        times_(request_.arrived, job_.live->stage) {
    times_.end(job_.received);
    times_.begin(Stage::kTokenize, job_.submitted);
  }

  // Whatever ended the actor, its stream has an end and nobody works for it any more.
  ~RequestLogic() override {
    if (phase_ != Phase::kEnded) fail(Error{ErrorCode::kInternal, "the request could not be completed", "", 0});
    if (in_batcher_) self_->send(wiring_.batcher, Drop{request_.id, cancel_asked_});
    if (in_cache_) self_->send(wiring_.cache, Leave{key_});
    stream_.set_canceller({});  // it would keep this actor's memory as long as the stream's readers live
  }

  caf::behavior behavior() override {
    text_.emplace(*env_->options.codec, request_.stop.stop);  // may throw, hence not before there is a destructor
    self_->request(supervisor_, caf::infinite, Hello{request_.deadline, job_.live})
        .then([this](Wiring& wiring) { greeted(std::move(wiring)); },
              [this](caf::error&) { cancelled(CancelReason::kShutdown); });
    return {
        [this](Tokenized& message) { tokenized(std::move(message.tokens)); },
        [this](CacheAnswer& message) { cache_answered(message); },
        [this](const Accepted& message) { accepted(message.epoch); },
        [this](Refused& message) { refused(message); },
        [this](SequenceNews& message) { news(message); },
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
    phase_ = Phase::kTokenizing;
    if (auto* tokens = std::get_if<std::vector<TokenId>>(&request_.prompt)) return tokenized(std::move(*tokens));
    auto prompt = std::make_shared<const PromptInput>(std::move(request_.prompt));
    bool taken = post_text_job(env_, bytes_of(*prompt), [env = env_, me = self_->address(), prompt] {
      if (auto alive = caf::actor_cast<caf::actor>(me)) {  // else the client has left: no work for nobody
        caf::anon_send(alive, Tokenized{prompt_tokens(*env->options.codec, *prompt, true)});
      }
    });
    if (!taken) fail(text_queue_full(*env_));
  }

  void tokenized(Result<std::vector<TokenId>> tokens) {
    if (phase_ != Phase::kTokenizing) return;
    if (!tokens) return fail(tokens.error());
    ModelBounds model{env_->limits.context_length, env_->runner.vocab_size, env_->options.codec->end_of_generation()};
    Result<SequenceRequest> sequence = sequence_request(request_, *std::move(tokens), model);
    if (!sequence) return fail(sequence.error());
    sequence_ = *std::move(sequence);
    if (!keep_memory()) return;
    sequence_.tenant_class = job_.tenant.tenant_class;
    sequence_.weight = job_.tenant.weight();
    job_.live->prompt_tokens.store(static_cast<std::uint32_t>(sequence_.prompt.size()), std::memory_order_relaxed);
    times_.end(env_->now());
    if (!uses_cache()) return enqueue();
    times_.begin(Stage::kCache, env_->now());
    phase_ = Phase::kAsking;
    in_cache_ = true;
    key_ = result_key(request_, sequence_.prompt, env_->runner.numerics_class);
    self_->send(wiring_.cache, Lookup{key_, stores_result(), mark(ProgressStage::kCache)});
  }

  // Now that the lengths are known: less than the bound it came in with, or more for a prompt of very short tokens.
  bool keep_memory() {
    MemoryLease& memory = job_.memory;
    std::uint64_t bytes = request_bytes_of_tokens(sequence_.prompt.size());
    if (!memory.grow_to(bytes)) {
      fail(env_->options.memory->refusal(MemoryUse::kRequests, bytes, env_->status.retry_after_s.load()));
      return false;
    }
    memory.shrink_to(bytes);
    stream_.limit_tokens(sequence_.max_tokens);
    return true;
  }

  // ---- result cache
  bool uses_cache() const {
    return job_.is_deterministic && request_.cache != CachePolicy::kNoCache && env_->status.has_result_cache();
  }
  bool stores_result() const { return uses_cache() && request_.cache == CachePolicy::kUse; }

  void cache_answered(const CacheAnswer& answer) {
    if (phase_ != Phase::kAsking) return;
    in_cache_ = answer.kind == CacheAnswer::Kind::kLead;
    times_.end(env_->now());
    if (answer.kind == CacheAnswer::Kind::kHit) return replay(*answer.result);
    enqueue();
  }

  // Token by token, so that every token stands at the place in the text where it stood when it was computed.
  void replay(const StoredResult& stored) {
    SteadyTime now = env_->now();
    times_.begin(Stage::kDeliver, now);
    phase_ = Phase::kRunning;
    accept(stored.usage.prompt_tokens, stored.usage.cached_tokens, true);
    usage_ = stored.usage;
    std::string_view text = stored.text;
    for (std::size_t i = 0; i < stored.tokens.size(); ++i) {
      std::size_t begin = stored.tokens[i].text_begin;
      std::size_t end = i + 1 < stored.tokens.size() ? stored.tokens[i + 1].text_begin : text.size();
      stream_.append({&stored.tokens[i], 1}, text.substr(begin, end - begin));
    }
    if (!stored.tokens.empty()) saw_first_token(now);
    count_tokens(static_cast<std::uint32_t>(stored.tokens.size()), now);
    end_finished(stored.finish);
  }

  // ---- batcher
  void enqueue() {
    if (!is_scheduled_) times_.begin(Stage::kQueue, env_->now());
    phase_ = Phase::kRunning;
    in_batcher_ = true;
    self_->send(wiring_.batcher, Enqueue{sequence_, mark(ProgressStage::kBatcher)});
  }

  void accepted(std::uint64_t epoch) {
    if (phase_ != Phase::kRunning || epoch != wiring_.epoch || is_accepted_) return;
    accept(static_cast<std::uint32_t>(sequence_.prompt.size()), 0, false);
  }

  void accept(std::uint32_t prompt_tokens, std::uint32_t cached_tokens, bool from_cache) {
    is_accepted_ = true;
    usage_.prompt_tokens = prompt_tokens;
    env_->metrics().request_accepted(prompt_tokens, job_.tenant.tenant_class);
    env_->tenants.charge(job_.tenant, prompt_tokens, env_->now());
    stream_.accept(prompt_tokens, cached_tokens, env_->runner.numerics_class, from_cache);
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
    if (++retries_ > kRetriesMax) {
      return fail(Error{ErrorCode::kInternal, "the request was interrupted too often", "", 0});
    }
    env_->metrics().retries.count();
    sequence_.emitted = emitted();
    if (sequence_.emitted.size() >= sequence_.max_tokens) return finished(FinishReason::kLength);
    times_.end(env_->now());
    enqueue();
  }

  std::vector<TokenId> emitted() const {
    ResponseStream::Cursor all;
    std::vector<TokenId> ids;
    for (const StreamToken& token : stream_.read(all).tokens) ids.push_back(token.id);
    return ids;
  }

  // ---- tokens
  void news(SequenceNews& message) {
    if (phase_ != Phase::kRunning || message.epoch != wiring_.epoch) return;
    SequenceEvent& event = message.event;
    switch (event.kind) {
      case SequenceEvent::Kind::kScheduled:
        return scheduled(event);
      case SequenceEvent::Kind::kToken:
        return token(event);
      case SequenceEvent::Kind::kFinished: {
        in_batcher_ = false;
        last_event_at_ = event.at;
        next_stage_at_ = event.next_at;
        return finished(event.finish);
      }
      case SequenceEvent::Kind::kFailed: {
        in_batcher_ = false;
        if (event.error.code == ErrorCode::kDeadlineExceeded) return cancelled(CancelReason::kDeadline);
        return fail(std::move(event.error));
      }
    }
  }

  void scheduled(const SequenceEvent& event) {
    if (is_scheduled_) return;
    is_scheduled_ = true;
    usage_.cached_tokens = event.cached_tokens;
    env_->metrics().prompt_tokens_cached.add(event.cached_tokens);
    times_.end(event.at);
    times_.begin(Stage::kPrefill, event.next_at);
  }

  void token(SequenceEvent& event) {
    Metrics& metrics = env_->metrics();
    if (usage_.completion_tokens++ == 0) {
      times_.end(event.at);
      times_.begin(Stage::kDecode, event.next_at);
      saw_first_token(event.at);
    } else {
      metrics.next_token(event.at - last_event_at_);
    }
    count_tokens(1, event.at);
    job_.live->completion_tokens.store(usage_.completion_tokens, std::memory_order_relaxed);
    last_event_at_ = event.at;
    next_stage_at_ = event.next_at;
    bool stopped = false;
    const std::string& text = text_->push(event.token, stopped);
    token_.id = event.token;
    token_.logprob = event.logprob;
    token_.top = std::move(event.top);
    stream_.append({&token_, 1}, text);
    if (stopped) end_decode(), end_finished(FinishReason::kStop);
  }

  void count_tokens(std::uint32_t count, SteadyTime now) {
    env_->metrics().tokens(count, job_.tenant.tenant_class);
    env_->tenants.charge(job_.tenant, count, now);
  }

  void saw_first_token(SteadyTime at) {
    first_token_ = at - times_.arrived();
    env_->metrics().first_token(*first_token_);
  }

  void finished(FinishReason reason) {
    end_decode();
    bool stopped = false;
    if (const std::string& rest = text_->finish(stopped); !rest.empty()) stream_.append({}, rest);
    end_finished(stopped ? FinishReason::kStop : reason);
  }

  void end_decode() {
    times_.end(last_event_at_);
    times_.begin(Stage::kDeliver, next_stage_at_);
  }

  // ---- the end
  void end_finished(FinishReason reason) {
    SteadyTime now = env_->now();
    times_.end(now);
    if (stores_result() && in_cache_) publish(reason);
    stream_.finish(reason, usage_, times_.times());
    RequestEnd end;
    end.outcome = Outcome::kFinished;
    end.finish = reason;
    ended(end, now);
  }

  void publish(FinishReason reason) {
    ResponseStream::Cursor all;
    ResponseStream::Chunk chunk = stream_.read(all);
    auto result = std::make_shared<StoredResult>();
    result->tokens = std::move(chunk.tokens);
    result->text = std::move(chunk.text);
    result->finish = reason;
    result->usage = usage_;
    self_->send(wiring_.cache, Publish{key_, std::move(result)});
    in_cache_ = false;
  }

  void fail(Error error) {
    if (phase_ == Phase::kEnded) return;
    SteadyTime now = env_->now();
    times_.end(now);
    RequestEnd end;
    end.error = error.code;
    stream_.fail(std::move(error));
    end.outcome = is_accepted_ ? Outcome::kFailed : Outcome::kRejected;
    ended(end, now);
  }

  void cancelled(CancelReason reason) {
    if (phase_ == Phase::kEnded) return;
    SteadyTime now = env_->now();
    times_.end(now);
    if (reason == CancelReason::kDeadline) env_->metrics().timeouts.count(times_.stage(), DeadlineSource::kClient);
    stream_.cancelled(reason);
    RequestEnd end;
    end.outcome = is_accepted_ ? Outcome::kCancelled : Outcome::kAbandoned;
    end.cancel = reason;
    ended(end, now);
  }

  void ended(RequestEnd& end, SteadyTime now) {
    phase_ = Phase::kEnded;
    end.tenant = job_.tenant.tenant_class;
    end.duration = now - times_.arrived();
    end.stages = times_.times();
    end.last_stage = times_.stage();
    end.usage = usage_;
    end.max_tokens = sequence_.max_tokens;
    end.retries = retries_;
    end.first_token = first_token_;
    env_->metrics().request_ended(end);
    if (env_->options.access_log) env_->options.access_log->ended(access_record(request_, end));
    self_->quit();
  }

  WorkMarkPtr mark(ProgressStage stage) const { return std::make_shared<WorkMark>(env_, stage); }

  caf::event_based_actor* self_;
  const ServiceEnvPtr env_;
  const caf::actor supervisor_;
  RequestJob job_;
  Request& request_;
  ResponseStream& stream_;
  RequestTimes times_;
  std::optional<AnswerText> text_;

  Phase phase_ = Phase::kStarting;
  Wiring wiring_;
  SequenceRequest sequence_;
  ResultKey key_{};
  Usage usage_;
  StreamToken token_;  // kept for its memory
  std::optional<std::chrono::nanoseconds> first_token_;
  SteadyTime last_event_at_{};
  SteadyTime next_stage_at_{};  // of the last event
  std::uint32_t retries_ = 0;
  std::optional<SteadyTime> cancel_asked_;
  bool is_accepted_ = false;
  bool is_scheduled_ = false;
  bool in_batcher_ = false;  // it has to be told when we end
  bool in_cache_ = false;    // we wait for an answer there, or others wait for ours
};

}  // namespace

caf::actor spawn_request(caf::actor_system& system, const ServiceEnvPtr& env, const caf::actor& supervisor,
                         RequestJob job) {
  auto box = std::make_shared<RequestJob>(std::move(job));
  return spawn_actor(system, "request", false, [env, supervisor, box](caf::event_based_actor* self) {
    return std::make_unique<RequestLogic>(self, env, supervisor, std::move(*box));
  });
}

}  // namespace troupe
