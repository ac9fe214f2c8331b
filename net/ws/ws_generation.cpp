#include "net/ws/ws_generation.hpp"

#include <utility>

#include "runtime/check.hpp"

namespace troupe {

WsGeneration::WsGeneration(WsGenerationFacts facts, std::vector<std::shared_ptr<ResponseStream>> streams)
    : facts_(std::move(facts)), running_(static_cast<std::uint32_t>(streams.size())) {
  TROUPE_CHECK(!streams.empty() && facts_.choices_per_prompt > 0, "a generation has at least one choice");
  for (auto& stream : streams) {
    choices_.emplace_back();
    choices_.back().stream = std::move(stream);
  }
}

void WsGeneration::read(std::uint32_t index, std::vector<std::string>& messages) {
  Choice& choice = choices_[index];
  if (ended_ || choice.ended) return;
  ResponseStream::Chunk chunk = choice.stream->read(choice.cursor);
  choice.usage = chunk.usage;
  bool refused = chunk.phase > StreamPhase::kFinished && choice.cursor.tokens == 0;
  if (chunk.phase >= StreamPhase::kAccepted && !accepted_ && !refused) {
    accepted_ = true;
    messages.push_back(
        ws_accepted(facts_.id, {facts_.model, facts_.request_id, chunk.system_fingerprint, choices(), chunk.cached}));
  }
  bool finished = chunk.phase == StreamPhase::kFinished;
  if (!chunk.text.empty() || !chunk.tokens.empty() || finished) {
    messages.push_back(ws_tokens(facts_.id, {index, choice.cursor.tokens, chunk.text, chunk.tokens, facts_.logprobs,
                                             facts_.codec, finished ? &chunk.finish : nullptr}));
  }
  if (!chunk.is_ended()) return;
  choice.ended = true;
  if (!finished) return end_early(chunk, messages);
  choice.finish = chunk.finish;
  stages_ = chunk.stages;
  if (--running_ > 0) return;
  ended_ = true;
  messages.push_back(ws_finished(facts_.id, choices_.front().finish, usage(), stages_));
}

void WsGeneration::end_early(const ResponseStream::Chunk& chunk, std::vector<std::string>& messages) {
  ended_ = true;
  bool asked_for = chunk.phase == StreamPhase::kCancelled && chunk.error.code == ErrorCode::kCancelled;
  if (!asked_for) failed_ = true, error_ = chunk.error;
  messages.push_back(asked_for ? ws_cancelled(facts_.id, usage()) : ws_error(facts_.id, chunk.error));
  cancel(CancelReason::kClientAsked);
}

// Each prompt counts once however many choices answer it.
Usage WsGeneration::usage() const {
  Usage all;
  for (std::size_t i = 0; i < choices_.size(); ++i) {
    const Usage& one = choices_[i].usage;
    // A choice that was cut short has no final count; what its reader has seen is what it produced.
    all.completion_tokens += std::max(one.completion_tokens, choices_[i].cursor.tokens);
    if (i % facts_.choices_per_prompt != 0) continue;
    all.prompt_tokens += one.prompt_tokens;
    all.cached_tokens += one.cached_tokens;
  }
  return all;
}

void WsGeneration::cancel(CancelReason reason) {
  for (Choice& choice : choices_) {
    if (!choice.ended) choice.stream->cancel(reason);
  }
}

}  // namespace troupe
