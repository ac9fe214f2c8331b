#include "runtime/doors/response_stream.hpp"

#include <utility>

namespace troupe {

namespace {

Error error_of(CancelReason reason) {
  switch (reason) {
    case CancelReason::kDeadline:
      return {ErrorCode::kDeadlineExceeded, "the request's deadline passed", "", 0};
    case CancelReason::kShutdown:
      return {ErrorCode::kShuttingDown, "the server is shutting down", "", 1};
    case CancelReason::kShed:
      return {ErrorCode::kShed, "the request was ended to make room for requests of a higher priority", "", 0};
    case CancelReason::kOperator:
      return {ErrorCode::kShed, "an operator of the server ended the requests of this key", "", 0};
    case CancelReason::kClientGone:
    case CancelReason::kClientAsked:
    case CancelReason::kWriteStall:
      break;
  }
  return {ErrorCode::kCancelled, "the request was cancelled", "", 0};
}

}  // namespace

// Applies a change unless the stream has ended, then wakes the reader outside the lock.
template <class Change>
void ResponseStream::change(Change&& apply) {
  {
    std::lock_guard lock(mutex_);
    if (phase_ >= StreamPhase::kFinished) return;
    apply();
    if (phase_ >= StreamPhase::kFinished)
      lease_.shrink_to((tokens_.size() + (embedding_.empty() ? 0 : 1)) * token_bytes_ + prompt_bytes_);
  }
  std::lock_guard lock(wake_mutex_);
  if (wake_) wake_();
}

void ResponseStream::accept(std::uint32_t prompt_tokens, std::uint32_t cached_tokens, std::string system_fingerprint,
                            bool cached) {
  change([&] {
    phase_ = StreamPhase::kAccepted;
    usage_.prompt_tokens = prompt_tokens;
    usage_.cached_tokens = cached_tokens;
    fingerprint_ = std::move(system_fingerprint);
    cached_ = cached;
  });
}

void ResponseStream::show_prompt(std::shared_ptr<const PromptPart> prompt) {
  change([&] { prompt_ = std::move(prompt); });
}

void ResponseStream::append(std::span<const StreamToken> tokens, std::string_view text) {
  change([&] {
    for (const StreamToken& token : tokens) {
      tokens_.push_back(token);
      tokens_.back().text_begin = static_cast<std::uint32_t>(text_.size());
    }
    text_.append(text);
  });
}

void ResponseStream::embed(std::vector<float> vector) {
  change([&] { embedding_ = std::move(vector); });
}

void ResponseStream::finish(FinishReason reason, const Usage& usage, const StageTimes& stages) {
  change([&] {
    phase_ = StreamPhase::kFinished;
    finish_ = reason;
    usage_ = usage;
    stages_ = stages;
  });
}

void ResponseStream::fail(Error error) {
  change([&] {
    phase_ = StreamPhase::kFailed;
    error_ = std::move(error);
  });
}

void ResponseStream::cancelled(CancelReason reason) {
  change([&] {
    phase_ = StreamPhase::kCancelled;
    error_ = error_of(reason);
  });
}

ResponseStream::Chunk ResponseStream::read(Cursor& cursor) const {
  std::lock_guard lock(mutex_);
  Chunk chunk;
  chunk.phase = phase_;
  if (cursor.text < text_.size()) chunk.text = text_.substr(cursor.text);
  if (cursor.tokens < tokens_.size()) chunk.tokens.assign(tokens_.begin() + cursor.tokens, tokens_.end());
  cursor.text = static_cast<std::uint32_t>(text_.size());
  cursor.tokens = static_cast<std::uint32_t>(tokens_.size());
  chunk.prompt = prompt_;
  chunk.embedding = embedding_;
  chunk.finish = finish_;
  chunk.error = error_;
  chunk.usage = usage_;
  chunk.stages = stages_;
  chunk.system_fingerprint = fingerprint_;
  chunk.cached = cached_;
  return chunk;
}

StreamPhase ResponseStream::phase() const {
  std::lock_guard lock(mutex_);
  return phase_;
}

void ResponseStream::on_change(std::function<void()> wake) {
  std::lock_guard lock(wake_mutex_);
  wake_ = std::move(wake);
}

void ResponseStream::cancel(CancelReason reason) {
  std::function<void(CancelReason)> canceller;
  {
    std::lock_guard lock(mutex_);
    if (phase_ >= StreamPhase::kFinished) return;
    cancel_asked_ = reason;
    canceller = canceller_;
  }
  if (canceller) canceller(reason);
}

void ResponseStream::set_canceller(const std::function<void(CancelReason)>& canceller) {
  std::optional<CancelReason> asked;
  {
    std::lock_guard lock(mutex_);
    canceller_ = canceller;
    if (phase_ < StreamPhase::kFinished) asked = cancel_asked_;
  }
  if (canceller && asked) canceller(*asked);
}

void ResponseStream::keep(MemoryLease lease, std::uint64_t token_bytes) {
  std::lock_guard lock(mutex_);
  lease_ = std::move(lease);
  token_bytes_ = token_bytes;
}

void ResponseStream::limit(std::uint64_t tokens_max, std::uint64_t prompt_bytes) {
  std::lock_guard lock(mutex_);
  prompt_bytes_ = prompt_bytes;
  lease_.shrink_to(tokens_max * token_bytes_ + prompt_bytes_);
}

}  // namespace troupe
