#include "actors/live_answer.hpp"

#include <iterator>
#include <utility>

#include "actors/access_record.hpp"
#include "actors/prompt_part.hpp"
#include "actors/sequence_request.hpp"

namespace troupe {

LiveAnswer::LiveAnswer(ServiceEnvPtr env, RequestJob job)
    : env_(std::move(env)), job_(std::move(job)), times_(job_.request.arrived, job_.live->stage) {
  times_.end(job_.received);
  times_.begin(Stage::kTokenize, job_.submitted);
}

LiveAnswer::~LiveAnswer() { fail(Error{ErrorCode::kInternal, "the request could not be completed", "", 0}); }

std::vector<TokenId> LiveAnswer::emitted() const {
  ResponseStream::Cursor all;
  std::vector<TokenId> ids;
  for (const StreamToken& token : job_.stream->read(all).tokens) ids.push_back(token.id);
  return ids;
}

bool LiveAnswer::survives_its_actor() {
  if (actors_lost_ == kActorsLostMax) return false;
  ++actors_lost_;
  env_->metrics().retries.count();
  return true;
}

bool LiveAnswer::survives_its_batcher() {
  if (batchers_lost_ == kBatchersLostMax) return false;
  ++batchers_lost_;
  env_->metrics().retries.count();
  return true;
}

Status LiveAnswer::tokenized(Result<std::vector<TokenId>> tokens) {
  if (!tokens) return tokens.error();
  ModelBounds model{env_->limits.context_length, env_->runner.vocab_size, env_->options.codec->end_of_generation(),
                    env_->runner.embedding_size};
  Result<SequenceRequest> made = sequence_request(job_.request, *std::move(tokens), model);
  if (!made) return made.error();
  // Now that the lengths are known: less than the bound it came in with, or more for a prompt of very short tokens.
  std::uint64_t bytes = request_bytes_of_tokens(made->prompt.size());
  if (!job_.memory.grow_to(bytes)) {
    return env_->options.memory->refusal(MemoryUse::kRequests, bytes, env_->status.retry_after_s.load());
  }
  job_.memory.shrink_to(bytes);
  stream().limit(made->max_tokens, env_->prompt_bytes(job_.request, made->prompt.size()));
  made->tenant_class = job_.tenant.tenant_class;
  made->weight = job_.tenant.weight();
  job_.live->prompt_tokens.store(static_cast<std::uint32_t>(made->prompt.size()), std::memory_order_relaxed);
  sequence = *std::move(made);
  if (!job_.request.echo) prompt.reset();
  times_.end(env_->now());
  return {};
}

void LiveAnswer::accept(std::uint32_t prompt_tokens, std::uint32_t cached_tokens, bool from_cache) {
  SteadyTime now = env_->now();
  is_accepted_ = true;
  usage_.prompt_tokens = prompt_tokens;
  env_->metrics().request_accepted(prompt_tokens, job_.tenant.tenant_class);
  env_->tenants.charge(job_.tenant, prompt_tokens, now);
  stream().accept(prompt_tokens, cached_tokens, env_->runner.numerics_class, from_cache);
  if (job_.request.shows_prompt() && (job_.request.prompt_logprobs < 0 || prompt_tokens == 1)) show_prompt();
}

void LiveAnswer::scored(SequenceEvent& event) {
  std::move(event.scores.begin(), event.scores.end(), std::back_inserter(scores_));
  if (scores_.size() + 1 == sequence->prompt.size()) show_prompt();
}

void LiveAnswer::show_prompt() {
  const std::string* text = prompt ? std::get_if<std::string>(prompt.get()) : nullptr;
  auto part = prompt_part(*env_->options.codec, sequence->prompt, job_.request.echo, text);
  for (std::size_t i = 0; i < scores_.size(); ++i) part->tokens[i + 1].score = std::move(scores_[i]);
  stream().show_prompt(std::move(part));
}

void LiveAnswer::scheduled(const SequenceEvent& event) {
  if (std::exchange(is_scheduled_, true)) return;
  usage_.cached_tokens = event.cached_tokens;
  env_->metrics().prompt_tokens_cached.add(event.cached_tokens);
  times_.end(event.at);
  times_.begin(Stage::kPrefill, event.next_at);
}

void LiveAnswer::token(SequenceEvent& event, std::string_view text) {
  token_.id = event.token;
  token_.logprob = event.logprob;
  token_.top = std::move(event.top);
  stream().append({&token_, 1}, text);
  if (usage_.completion_tokens++ == 0) {
    times_.end(event.at);
    times_.begin(Stage::kDecode, event.next_at);
    saw_first_token(event.at);
  } else {
    env_->metrics().next_token(event.at - last_event_at_);
  }
  count_tokens(1, event.at);
  job_.live->completion_tokens.store(usage_.completion_tokens, std::memory_order_relaxed);
  last_event_at_ = event.at;
}

void LiveAnswer::decoded(SteadyTime at, SteadyTime next_at) {
  times_.end(at);
  times_.begin(Stage::kDeliver, next_at);
}

// Token by token, so that every token stands at the place in the text where it stood when it was computed.
void LiveAnswer::replay(const StoredResult& stored) {
  SteadyTime now = env_->now();
  times_.begin(Stage::kDeliver, now);
  accept(stored.usage.prompt_tokens, stored.usage.cached_tokens, true);
  usage_ = stored.usage;
  std::string_view text = stored.text;
  for (std::size_t i = 0; i < stored.tokens.size(); ++i) {
    std::size_t begin = stored.tokens[i].text_begin;
    std::size_t end = i + 1 < stored.tokens.size() ? stored.tokens[i + 1].text_begin : text.size();
    stream().append({&stored.tokens[i], 1}, text.substr(begin, end - begin));
  }
  if (!stored.tokens.empty()) saw_first_token(now);
  count_tokens(static_cast<std::uint32_t>(stored.tokens.size()), now);
  finish(stored.finish, now);
}

std::shared_ptr<const StoredResult> LiveAnswer::stored(FinishReason reason) const {
  ResponseStream::Cursor all;
  ResponseStream::Chunk chunk = job_.stream->read(all);
  auto result = std::make_shared<StoredResult>();
  result->tokens = std::move(chunk.tokens);
  result->text = std::move(chunk.text);
  result->finish = reason;
  result->usage = usage_;
  return result;
}

void LiveAnswer::count_tokens(std::uint32_t count, SteadyTime now) {
  env_->metrics().tokens(count, job_.tenant.tenant_class);
  env_->tenants.charge(job_.tenant, count, now);
}

void LiveAnswer::saw_first_token(SteadyTime at) {
  first_token_ = at - times_.arrived();
  env_->metrics().first_token(*first_token_);
}

void LiveAnswer::finish(FinishReason reason, SteadyTime now) {
  if (has_ended_) return;
  times_.end(now);
  stream().finish(reason, usage_, times_.times());
  RequestEnd end;
  end.outcome = Outcome::kFinished;
  end.finish = reason;
  ended(end, now);
}

void LiveAnswer::fail(Error error) {
  if (has_ended_) return;
  SteadyTime now = env_->now();
  times_.end(now);
  RequestEnd end;
  end.error = error.code;
  stream().fail(std::move(error));
  end.outcome = is_accepted_ ? Outcome::kFailed : Outcome::kRejected;
  ended(end, now);
}

void LiveAnswer::cancel(CancelReason reason) {
  if (has_ended_) return;
  SteadyTime now = env_->now();
  times_.end(now);
  if (reason == CancelReason::kDeadline) env_->metrics().timeouts.count(times_.stage(), DeadlineSource::kClient);
  stream().cancelled(reason);
  RequestEnd end;
  end.outcome = is_accepted_ ? Outcome::kCancelled : Outcome::kAbandoned;
  end.cancel = reason;
  ended(end, now);
}

void LiveAnswer::ended(RequestEnd& end, SteadyTime now) {
  has_ended_ = true;
  end.tenant = job_.tenant.tenant_class;
  end.duration = now - times_.arrived();
  end.stages = times_.times();
  end.last_stage = times_.stage();
  end.usage = usage_;
  if (sequence) end.max_tokens = sequence->max_tokens;
  end.retries = actors_lost_ + batchers_lost_;
  end.first_token = first_token_;
  env_->metrics().request_ended(end);
  if (env_->options.access_log) env_->options.access_log->ended(access_record(job_.request, end));
}

}  // namespace troupe
