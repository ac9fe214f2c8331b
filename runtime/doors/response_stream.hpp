#pragma once
// The log of one request's answer: text and tokens appended by the request actor, read by any number of cursors in
// net/ (live stream, resumed stream, replay of a cached answer). It only grows, by at most max_tokens tokens.
// One of the two places with a mutex outside the thread pool: it is the bridge between actors and sockets.
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/memory_governor.hpp"
#include "runtime/prompt_score.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "runtime/step_plan.hpp"

namespace troupe {

// A token of the answer. Its text may come out later than the token (a stop string or a character is pending).
struct StreamToken {
  TokenId id = -1;
  float logprob = 0.0F;
  std::uint32_t text_begin = 0;  // bytes of text that were out before this token
  std::vector<TopToken> top;     // empty unless logprobs were asked for
};

// The prompt as a part of the answer: it stands before the text that is generated.
struct PromptToken {
  TokenId id = -1;
  std::uint32_t text_begin = 0;  // bytes of PromptPart::text before this token
  PromptScore score;             // rank 0: it has none, as the first token and tokens that were not judged
};
struct PromptPart {
  std::string text;
  std::vector<PromptToken> tokens;
};

enum class StreamPhase : std::uint8_t { kPending, kAccepted, kFinished, kFailed, kCancelled };

class ResponseStream {
 public:
  // Where a reader stands. Offsets never change their meaning: token `tokens` is the same token for every reader.
  struct Cursor {
    std::uint32_t tokens = 0;
    std::uint32_t text = 0;  // bytes
  };
  // What a read found. `text` and `tokens` are what came after the cursor.
  struct Chunk {
    StreamPhase phase = StreamPhase::kPending;
    std::string text;
    std::vector<StreamToken> tokens;
    std::shared_ptr<const PromptPart> prompt;  // where it is shown; there before the first token and the end
    std::vector<float> embedding;  // of a request that embeds, whole; once it is there, of every read
    // Set once the phase says so:
    FinishReason finish = FinishReason::kStop;  // kFinished
    Error error;                                // kFailed, kCancelled
    Usage usage;                                // from kAccepted on (prompt part), whole at the end
    StageTimes stages;                          // at the end
    std::string system_fingerprint;             // from kAccepted on: the numerics class
    bool cached = false;                        // answered from the result cache

    bool is_ended() const { return phase >= StreamPhase::kFinished; }
  };

  explicit ResponseStream(RequestId id) : id_(id) {}
  ResponseStream(const ResponseStream&) = delete;
  ResponseStream& operator=(const ResponseStream&) = delete;

  RequestId id() const { return id_; }

  // Writer's side: one writer, in this order: accept, show_prompt where it is asked for, append* or embed, then exactly
  // one of finish, fail, cancelled. Calls after the end change nothing (a late event of a dead request is ignored,
  // contract 1).
  void accept(std::uint32_t prompt_tokens, std::uint32_t cached_tokens, std::string system_fingerprint, bool cached);
  void show_prompt(std::shared_ptr<const PromptPart> prompt);
  void append(std::span<const StreamToken> tokens, std::string_view text);  // sets text_begin itself
  void embed(std::vector<float> vector);
  void finish(FinishReason reason, const Usage& usage, const StageTimes& stages);
  void fail(Error error);
  void cancelled(CancelReason reason);

  // Reader's side, from any thread.
  Chunk read(Cursor& cursor) const;  // moves the cursor past what it returns
  StreamPhase phase() const;
  // Called after every change, from the writer's thread, outside the lock; must not block (post to an io_context).
  // Replaces the one before; an empty function stops the calls. Once it returned, an old one is not called again.
  void on_change(std::function<void()> wake);

  // Asks the request to end; the answer is the phase kCancelled. Safe at any time, any number of times.
  void cancel(CancelReason reason);
  // Set by each actor that works on the answer; what was asked before is asked again at once.
  void set_canceller(const std::function<void(CancelReason)>& canceller);

  // What the whole answer may take, so many bytes a token (an embedding counts as one); held until the stream's last
  // reader is gone, from the end on only for the tokens there are. Set once by the service.
  void keep(MemoryLease lease, std::uint64_t token_bytes);
  // There will not be more tokens, and the prompt that is shown takes so many bytes: what was taken beyond goes back.
  void limit(std::uint64_t tokens_max, std::uint64_t prompt_bytes);

 private:
  template <class Change>
  void change(Change&& apply);

  const RequestId id_;
  mutable std::mutex mutex_;
  StreamPhase phase_ = StreamPhase::kPending;
  std::string text_;
  std::vector<StreamToken> tokens_;
  std::shared_ptr<const PromptPart> prompt_;
  std::vector<float> embedding_;
  FinishReason finish_ = FinishReason::kStop;
  Error error_;
  Usage usage_;
  StageTimes stages_;
  std::string fingerprint_;
  bool cached_ = false;
  std::function<void(CancelReason)> canceller_;
  std::optional<CancelReason> cancel_asked_;
  MemoryLease lease_;
  std::uint64_t token_bytes_ = 0;
  std::uint64_t prompt_bytes_ = 0;

  std::recursive_mutex wake_mutex_;  // held while wake_ runs, so that on_change can promise what it promises
  std::function<void()> wake_;
};

}  // namespace troupe
