#include "net/http/generation.hpp"

#include <utility>

#include "net/schema/embedding_request.hpp"
#include "net/schema/error_object.hpp"
#include "runtime/check.hpp"

namespace troupe {

Generation::Generation(ApiRequest request, InferenceService& service, Clock clock, std::function<void()> wake)
    : request_(std::move(request)), service_(service), clock_(std::move(clock)), wake_(std::move(wake)) {}

Generation::~Generation() {
  for (Choice& choice : choices_) choice.stream->on_change({});
  cancel(CancelReason::kClientGone);
}

void Generation::submit() { submit_next(); }

void Generation::submit_next() {
  while (choices_.size() < request_.sequences.size() && choices_.size() - finished_ < request_.at_once) {
    Request& sequence = request_.sequences[choices_.size()];
    if (finished_ > 0) sequence.arrived = clock_();  // its turn has come only now
    Choice& choice = choices_.emplace_back();
    choice.stream = service_.submit(std::move(sequence));
    // An answer that is not streamed is of interest when it ends: no wake-up for each token.
    bool only_end = !request_.stream;
    choice.stream->on_change([this, &choice, only_end] {
      if (only_end && choice.stream->phase() < StreamPhase::kFinished) return;
      choice.has_changed.store(true);
      wake_();
    });
    if (choice.stream->phase() > StreamPhase::kFinished) return;
  }
}

void Generation::look_at(Choice& choice) {
  if (choice.is_finished || !choice.has_changed.exchange(false)) return;
  StreamPhase phase = choice.stream->phase();
  if (phase == StreamPhase::kPending) return;
  if (phase > StreamPhase::kFinished) {
    ResponseStream::Cursor end;
    return fail(choice.stream->read(end).error);
  }
  if (!choice.is_accepted) ++accepted_;
  choice.is_accepted = true;
  if (phase != StreamPhase::kFinished || request_.stream) return;
  choice.is_finished = true;
  ++finished_;
}

Generation::State Generation::poll() {
  if (streaming_) return State::kStreaming;
  for (std::size_t i = 0; i < choices_.size() && !error_; ++i) {
    look_at(choices_[i]);
    if (!cancelled_) submit_next();  // looked at in their turn: they may have been refused at once
  }
  if (error_) return State::kRefused;
  if (!request_.stream) return finished_ == request_.sequences.size() ? State::kAnswered : State::kWaiting;
  if (accepted_ < choices_.size()) return State::kWaiting;
  streaming_ = true;
  for (Choice& choice : choices_) choice.has_changed.store(true);
  return State::kStreaming;
}

void Generation::set_format(std::string id, std::int64_t created_s, bool guide_compat) {
  AnswerShape shape = shape_of(request_);
  shape.id = std::move(id);
  shape.created_s = created_s;
  shape.guide_compat = guide_compat;
  ResponseStream::Cursor unmoved;
  shape.system_fingerprint = choices_.front().stream->read(unmoved).system_fingerprint;
  format_.emplace(std::move(shape));
}

void Generation::append_answer(std::string& out) {
  TROUPE_CHECK(format_.has_value(), "the format is set before the answer is written");
  std::vector<ResponseStream::Chunk> chunks;
  chunks.reserve(choices_.size());
  for (Choice& choice : choices_) chunks.push_back(choice.stream->read(choice.cursor));
  if (request_.kind == ApiKind::kEmbedding) return append_embeddings(out, request_, chunks);
  format_->append_whole(out, chunks);
}

// data: is preceded by id: the place in the stream, as ANSWER:CHOICE:TOKENS:BYTES.
void Generation::append_event(std::string& out, std::uint32_t index, const std::string& json) const {
  const Choice& choice = choices_[index];
  out.append("id: ").append(format_->shape().id).append(":").append(std::to_string(index)).append(":");
  out.append(std::to_string(choice.cursor.tokens)).append(":").append(std::to_string(choice.cursor.text));
  out.append("\ndata: ").append(json).append("\n\n");
}

bool Generation::append_choice_events(std::string& out, std::uint32_t index) {
  Choice& choice = choices_[index];
  if (choice.is_finished || !choice.has_changed.exchange(false)) return true;
  ResponseStream::Chunk chunk = choice.stream->read(choice.cursor);
  bool has_news = !chunk.text.empty() || (request_.logprobs && !chunk.tokens.empty()) ||
                  (request_.echo && chunk.prompt && !choice.position.has_prompt);
  if (has_news || chunk.phase == StreamPhase::kFinished) {
    json_.clear();
    format_->append_delta(json_, index, chunk, choice.position);
    append_event(out, index, json_);
  }
  if (!chunk.is_ended()) return true;
  choice.is_finished = true;
  ++finished_;
  choice.end = {chunk.usage, chunk.stages, chunk.cached};
  if (chunk.phase == StreamPhase::kFinished) return true;
  fail(chunk.error);
  return false;
}

bool Generation::append_events(std::string& out) {
  TROUPE_CHECK(format_.has_value(), "the format is set before the answer is written");
  if (!begun_ && request_.kind == ApiKind::kChat) {
    for (std::uint32_t i = 0; i < choices_.size(); ++i) {
      json_.clear();
      format_->append_role(json_, i);
      append_event(out, i, json_);
    }
  }
  begun_ = true;
  for (std::uint32_t i = 0; i < choices_.size(); ++i) {
    if (append_choice_events(out, i)) continue;
    // The status is out already: the error is an event, and [DONE] does not follow.
    out += "data: ";
    append_error_object(out, *error_);
    out += "\n\n";
    return true;
  }
  if (finished_ < choices_.size()) return false;
  if (request_.include_usage) {
    std::vector<ChoiceEnd> ends;
    ends.reserve(choices_.size());
    for (const Choice& choice : choices_) ends.push_back(choice.end);
    out += "data: ";
    format_->append_usage(out, ends);
    out += "\n\n";
  }
  out += "data: [DONE]\n\n";
  return true;
}

void Generation::fail(Error error) {
  if (!error_) error_ = std::move(error);
  bool may_come_back = error_->code == ErrorCode::kQueueFull || error_->code == ErrorCode::kShed;
  if (may_come_back && error_->retry_after_s == 0) error_->retry_after_s = service_.retry_after_s();
  cancel(CancelReason::kClientAsked);  // the others
}

void Generation::cancel(CancelReason reason) {
  if (std::exchange(cancelled_, true)) return;  // the first reason is the one that counts
  for (Choice& choice : choices_) {
    if (!choice.is_finished) choice.stream->cancel(reason);
  }
}

}  // namespace troupe
