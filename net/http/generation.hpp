#pragma once
// The sequences of one generation request, from submitting them to the last byte of the answer. If one of them is
// refused before all were accepted, the others are cancelled and its error is the answer. No socket; one thread calls
// it, except that `wake` comes from wherever tokens are made.
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/schema/answer_format.hpp"
#include "runtime/doors/clock.hpp"
#include "runtime/doors/inference_service.hpp"

namespace troupe {

class Generation {
 public:
  // `clock`: when a sequence arrives that has to wait for others of its request. `wake` is called after a change that
  // poll() should see, until the generation is destroyed; it must not block.
  Generation(ApiRequest request, InferenceService& service, Clock clock, std::function<void()> wake);
  ~Generation();  // cancels what still runs: kClientGone
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  // Hands the sequences to the service, in order, as many as may run at once; the others follow from poll(). Stops at
  // one that is refused at once.
  void submit();

  enum class State : std::uint8_t {
    kWaiting,    // for the batcher, or for the end of an answer that is not streamed
    kRefused,    // failure() is the answer
    kAnswered,   // append_answer() has it
    kStreaming,  // append_events() has what there is
  };
  State poll();
  const Error* failure() const { return error_ ? &*error_ : nullptr; }  // also of a stream that has begun

  // To be called once, when poll() has said kAnswered or kStreaming for the first time.
  void set_format(std::string id, std::int64_t created_s, bool guide_compat);
  RequestId id() const { return choices_.front().stream->id(); }  // of the first sequence

  void append_answer(std::string& out);
  // Server-sent events for everything that came since. True: the stream has ended, with [DONE] or with an error.
  bool append_events(std::string& out);

  void cancel(CancelReason reason);

 private:
  struct Choice {
    std::shared_ptr<ResponseStream> stream;
    ResponseStream::Cursor cursor;
    TextPosition position;
    std::atomic<bool> has_changed{true};
    bool is_accepted = false;
    bool is_finished = false;
    ChoiceEnd end;
  };
  void submit_next();
  void look_at(Choice& choice);
  bool append_choice_events(std::string& out, std::uint32_t index);
  void append_event(std::string& out, std::uint32_t index, const std::string& json) const;
  void fail(Error error);

  ApiRequest request_;
  InferenceService& service_;
  const Clock clock_;
  std::function<void()> wake_;
  std::deque<Choice> choices_;  // of those submitted; their addresses are known to the streams
  std::size_t accepted_ = 0;
  std::size_t finished_ = 0;
  bool streaming_ = false;
  bool cancelled_ = false;
  bool begun_ = false;  // the first events are out
  std::optional<Error> error_;
  std::optional<AnswerFormat> format_;
  std::string json_;  // of the event being written; kept for its memory
};

}  // namespace troupe
