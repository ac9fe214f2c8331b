#pragma once
// What is said over one WebSocket, without the socket: messages of the client go in, messages for it come out, and in
// between are the generations that run. Used by one thread; only `wake` is called from others.
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/ws/ws_context.hpp"
#include "net/ws/ws_generation.hpp"

namespace troupe {

class WsConversation {
 public:
  // `wake` is called, from any thread, when next() may have something again; it must not block. The context outlives
  // the conversation.
  WsConversation(const WsContext& context, std::function<void()> wake);
  ~WsConversation() { end(CancelReason::kClientGone); }
  WsConversation(const WsConversation&) = delete;
  WsConversation& operator=(const WsConversation&) = delete;

  void handle(std::string_view text);  // a message of the client's

  // The next message for the client; false when there is none now. Choices take turns, and whatever one has produced
  // since its turn before is one message: a slow reader gets fewer, larger ones.
  bool next(std::string& message);

  std::size_t replies() const { return replies_.size(); }  // waiting for next()
  void refuse_new() { is_draining_ = true; }               // what runs goes on
  bool is_over() const { return generations_.empty() && replies_.empty(); }
  void end(CancelReason reason);  // everything is cancelled and forgotten, nothing is said any more

 private:
  // A generation with, per choice, whether its stream has changed since it was read.
  struct Running {
    explicit Running(WsGeneration g) : generation(std::move(g)), changed(generation.choices()) {}
    WsGeneration generation;
    std::vector<std::atomic<bool>> changed;  // set from the stream's thread
  };
  struct Turn {
    Running* running;
    std::uint32_t choice;
  };

  void submit(const std::string& id, const WsSubmit& wanted);
  void start(const std::string& id, const std::string& request_id, ApiRequest request);
  void cancel(const std::string& id);
  Running* find(std::string_view id);
  void reply_error(std::string_view id, const Error& error);
  Error too_many(std::string what) const;
  bool read_one();
  void forget(Running* running);

  const WsContext& context_;
  const std::function<void()> wake_;
  std::vector<std::unique_ptr<Running>> generations_;  // at most limits.generations_max
  std::vector<Turn> turns_;                            // of all choices, at most limits.choices_max
  std::size_t turn_ = 0;                               // where to look for the next change
  std::deque<std::string> replies_;
  std::uint64_t submitted_ = 0;
  bool is_draining_ = false;
};

}  // namespace troupe
