#pragma once
// The answer to one request, from its arrival to its end: its stream, its books, where its time went. Plain data: an
// actor works on it, and when that actor dies another one goes on with it. It ends exactly once, at the latest when it
// is destroyed.
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "actors/live_request.hpp"
#include "actors/request_times.hpp"
#include "actors/service_env.hpp"
#include "runtime/doors/response_stream.hpp"
#include "runtime/doors/result_store.hpp"
#include "runtime/metrics.hpp"
#include "runtime/scheduler.hpp"

namespace troupe {

struct RequestJob {
  Request request;                // with id and seed
  bool is_deterministic = false;  // as the client sent it, before the service drew a seed
  SteadyTime received{};          // the service has taken it in
  SteadyTime submitted{};         // its actor is about to be spawned
  std::shared_ptr<ResponseStream> stream;
  TenantStanding tenant;
  std::shared_ptr<LiveSlot> slot;
  MemoryLease memory;  // of prompt and tokens
  LiveRequestPtr live = std::make_shared<LiveRequest>();
};

class LiveAnswer {
 public:
  static constexpr std::uint32_t kActorsLostMax = 1;  // what kills a second one is the request itself
  static constexpr std::uint32_t kBatchersLostMax = 2;

  LiveAnswer(ServiceEnvPtr env, RequestJob job);
  ~LiveAnswer();
  LiveAnswer(const LiveAnswer&) = delete;
  LiveAnswer& operator=(const LiveAnswer&) = delete;

  Request& request() { return job_.request; }
  const RequestJob& job() const { return job_; }
  ResponseStream& stream() { return *job_.stream; }
  RequestTimes& times() { return times_; }
  std::vector<TokenId> emitted() const;

  bool is_accepted() const { return is_accepted_; }
  bool is_scheduled() const { return is_scheduled_; }
  bool has_ended() const { return has_ended_; }
  // Each call is a death, of its actor or of the batcher it was with; false: it was one too many.
  bool survives_its_actor();
  bool survives_its_batcher();

  // What the stages left for whoever goes on.
  std::shared_ptr<const PromptInput> prompt;  // as the tokenizer gets it; afterwards only where it is shown
  std::optional<SequenceRequest> sequence;    // once the prompt's tokens are known

  // The prompt as tokens: sets `sequence` and gives back the memory they do not need. The request was wrong, too long,
  // or there is no memory for it: an error, for fail().
  Status tokenized(Result<std::vector<TokenId>> tokens);

  std::uint32_t scored() const { return static_cast<std::uint32_t>(scores_.size()); }  // of the prompt's tokens

  void accept(std::uint32_t prompt_tokens, std::uint32_t cached_tokens, bool from_cache);
  void scheduled(const SequenceEvent& event);
  void scored(SequenceEvent& event);
  // `text`: what may be shown of it and of what was held back before.
  void token(SequenceEvent& event, std::string_view text);
  void embedded(std::vector<float> vector) { stream().embed(std::move(vector)); }
  void text(std::string_view rest) { stream().append({}, rest); }  // what was held back, before the end
  void decoded(SteadyTime at, SteadyTime next_at);                 // the last token's step was over at `at`
  void replay(const StoredResult& stored);

  // The ends. Whatever comes after the first one changes nothing.
  void finish(FinishReason reason, SteadyTime now);
  void fail(Error error);
  void cancel(CancelReason reason);
  std::shared_ptr<const StoredResult> stored(FinishReason reason) const;  // of an answer that is about to finish

 private:
  void show_prompt();
  void count_tokens(std::uint32_t count, SteadyTime now);
  void saw_first_token(SteadyTime at);
  void ended(RequestEnd& end, SteadyTime now);

  const ServiceEnvPtr env_;
  RequestJob job_;
  RequestTimes times_;
  Usage usage_;
  std::vector<PromptScore> scores_;  // of the prompt's tokens after the first, as far as they came; empty ones once shown
  StreamToken token_;  // kept for its memory
  std::optional<std::chrono::nanoseconds> first_token_;
  SteadyTime last_event_at_{};
  std::uint32_t actors_lost_ = 0;
  std::uint32_t batchers_lost_ = 0;
  bool is_accepted_ = false;
  bool is_scheduled_ = false;
  bool has_ended_ = false;
};
using LiveAnswerPtr = std::shared_ptr<LiveAnswer>;

}  // namespace troupe
