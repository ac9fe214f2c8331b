#pragma once
// One HTTP request and its answer, without a socket: whoever owns the connection feeds it the head, then the body, and
// writes what it gives back. One thread calls it; `wake` may be called from any until the exchange is destroyed.
//   on_head -> kAnswer                           take_answer, done
//           -> kUpgrade                          the connection becomes a WebSocket
//           -> kReadBody -> on_body -> poll -> kWaiting   until the next wake
//                                           -> kAnswer    take_answer, done
//                                           -> kEvents    take_answer (a head), then append_events until it says true
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "net/http/answer.hpp"
#include "net/http/generation.hpp"
#include "net/http/http_context.hpp"
#include "net/http/request_head.hpp"
#include "net/http/routes.hpp"

namespace troupe {

class Exchange {
 public:
  Exchange(HttpContext& context, RequestHead head, SteadyTime arrived, std::function<void()> wake);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  enum class Next : std::uint8_t { kAnswer, kReadBody, kUpgrade };
  Next on_head();
  void on_body(std::string body);

  enum class State : std::uint8_t { kWaiting, kAnswer, kEvents };
  State poll();
  Answer take_answer();
  bool append_events(std::string& out);  // true: these were the last ones

  // Something went wrong with reading the body: that is the answer.
  void refuse(const Error& error);
  void cancel(CancelReason reason);

  const RequestHead& head() const { return head_; }
  const std::string& tenant() const { return tenant_; }

 private:
  struct Reply;  // of a text worker

  std::optional<Answer> answer_from_head();
  Answer answer_get() const;
  Answer answer_ready() const;
  Answer answer_model() const;
  void start_generation(ApiKind kind, std::string_view body);
  bool begin_reply(std::uint64_t bytes);
  void start_tokenize(std::string_view body);
  void start_detokenize(std::string_view body);
  bool is_admin() const;
  void start_admin(std::string_view body);
  void finish_answer(Answer& answer) const;
  void log_refusal(const Answer& answer) const;

  HttpContext& context_;
  const RequestHead head_;
  const std::shared_ptr<const HttpLive> live_;
  const SteadyTime arrived_;
  const std::function<void()> wake_;
  const std::string request_id_;  // x-request-id: the client's or ours
  RouteMatch match_;
  std::string tenant_;
  std::optional<Answer> answer_;
  std::unique_ptr<Generation> generation_;
  std::shared_ptr<Reply> reply_;
};

// The answer to bytes that are no request: counted, ids and all, closes the connection.
Answer refuse_bytes(HttpContext& context, const Error& error, int status);

}  // namespace troupe
