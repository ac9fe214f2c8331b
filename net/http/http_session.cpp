#include "net/http/http_session.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <utility>

namespace troupe {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t kReadBytes = 16U << 10;        // at a time, while an answer is being made
constexpr std::size_t kBufferBytesMax = 128U << 10;  // of a connection; a longer chunk head or trailer is refused
constexpr int kSendBufferBytes = 128 << 10;  // in the kernel, which doubles it; by itself it would take 4 MiB for a
                                             // client that reads nothing, and a cgroup's limit counts them
constexpr std::size_t kLingerBytesMax = 16U << 20;  // read and dropped after a final answer

// Chunked bodies may spend as much again on their framing; what spends more is not sent to be read.
std::size_t wire_bytes_max(const HttpLimits& limits) { return 2 * limits.body_bytes_max + (64U << 10); }

RequestHead head_of(const http::request_parser<http::string_body>& parser) {
  const auto& message = parser.get();
  RequestHead head;
  head.method = std::string(message.method_string());
  head.target = std::string(message.target());
  head.version = message.version();
  for (const auto& field : message)
    head.fields.emplace_back(std::string(field.name_string()), std::string(field.value()));
  if (auto length = parser.content_length()) head.content_length = *length;
  head.is_chunked = parser.chunked();
  head.keep_alive = parser.keep_alive();
  return head;
}

// What a body that has come so far takes. One of unknown length grows by doubling: both copies while it does.
std::uint64_t body_memory(std::size_t bytes, bool is_chunked) {
  constexpr std::size_t kStep = 64U << 10;  // the account is not asked for every piece
  if (bytes <= kReadBytes) return 0;        // a connection's own
  std::size_t factor = is_chunked ? 3 : 1;
  return (factor * bytes + kStep - 1) / kStep * kStep;
}

// The parser found fault with the bytes, as opposed to their having ended too soon.
bool is_malformed(const boost::beast::error_code& failed) {
  static const auto& of_parser = http::make_error_code(http::error::bad_method).category();
  return failed && failed.category() == of_parser && failed != http::error::end_of_stream &&
         failed != http::error::partial_message;
}

// A request line that fills the head by itself.
bool has_long_target(const boost::beast::flat_buffer& buffer, std::size_t target_bytes_max) {
  std::string_view bytes(static_cast<const char*>(buffer.data().data()), buffer.data().size());
  return bytes.substr(0, target_bytes_max).find("\r\n") == std::string_view::npos;
}

}  // namespace

HttpSession::HttpSession(Socket socket, HttpContext& context, ConnectionSet& connections, std::shared_ptr<void> slot,
                         UpgradeHandler upgrade)
    : socket_(std::move(socket)),
      executor_(socket_.get_executor()),
      context_(context),
      live_(context.live()),
      connections_(connections),
      slot_(std::move(slot)),
      upgrade_(std::move(upgrade)),
      buffer_(kBufferBytesMax),
      body_memory_(context.options.memory, MemoryUse::kInput),
      ahead_memory_(context.options.memory, MemoryUse::kInput),
      reader_(context.options.memory),
      deadline_(executor_) {}

void HttpSession::start() {
  asio::post(executor_, [self = shared_from_this()] {
    Failure ignored;
    self->socket_.set_option(asio::ip::tcp::no_delay(true), ignored);  // a token is a small packet
    self->socket_.set_option(asio::socket_base::keep_alive(true), ignored);
    self->socket_.set_option(asio::socket_base::send_buffer_size(kSendBufferBytes), ignored);
    self->socket_.non_blocking(true, ignored);
    self->deadline_.on_passed([weak = self->weak_from_this()] {
      if (auto still = weak.lock()) still->on_deadline();
    });
    self->wait_for_request();
  });
}

void HttpSession::close_if_idle() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->state_ == State::kIdle) self->close(CancelReason::kShutdown);
  });
}

void HttpSession::close_now() {
  asio::post(executor_, [self = shared_from_this()] { self->close(CancelReason::kShutdown); });
}

// ---- between requests, and while one is answered ----------------------------------------------------------------

void HttpSession::wait_for_request() {
  state_ = State::kIdle;
  live_ = context_.live();
  if (context_.is_draining.load() && !is_first_) return close(CancelReason::kShutdown);
  deadline_.set(is_first_ ? live_->tuning.limits.head_timeout : live_->tuning.limits.keep_alive);
  if (buffer_.size() > 0) return read_head();
  if (buffer_.capacity() > 2 * kReadBytes) buffer_.shrink_to_fit();
  ahead_memory_.shrink_to(0);
  watch();
}

void HttpSession::watch() {
  if (is_watching_) return;
  is_watching_ = true;
  socket_.async_wait(asio::socket_base::wait_read,
                     [self = shared_from_this()](const Failure& failed) { self->on_readable(failed); });
}

void HttpSession::on_readable(const Failure& failed) {
  is_watching_ = false;
  if (state_ != State::kIdle && state_ != State::kAnswering) return;  // somebody else reads
  if (failed == asio::error::operation_aborted) return watch();
  if (failed) return on_client_gone();
  const std::size_t bytes_max = live_->tuning.limits.pipelined_bytes_max;
  if (buffer_.size() >= bytes_max || !may_read_ahead()) return;  // until the answer is out
  Failure read_failed;
  std::size_t bytes = socket_.read_some(buffer_.prepare(std::min(bytes_max - buffer_.size(), kReadBytes)), read_failed);
  buffer_.commit(bytes);
  if (read_failed == asio::error::would_block) return watch();
  if (read_failed) return on_client_gone();
  if (state_ == State::kIdle) return read_head();
  watch();
}

// Beyond what every connection may hold: only while there is memory for it.
bool HttpSession::may_read_ahead() {
  if (buffer_.size() < kReadBytes) return true;
  const MemoryGovernor* memory = context_.options.memory.get();
  if (memory != nullptr && memory->level() == MemoryLevel::kScarce) return false;
  return ahead_memory_.grow_to(kBufferBytesMax);
}

void HttpSession::on_client_gone() {
  // A client that has sent its request and closed its half may still read an answer that is complete.
  if (is_last_ && is_writing_) {
    keep_alive_ = false;
    return;
  }
  close(CancelReason::kClientGone);
}

// ---- reading ----------------------------------------------------------------------------------------------------

void HttpSession::read_head() {
  state_ = State::kHead;
  is_first_ = false;
  live_ = context_.live();
  arrived_ = context_.clock();
  deadline_.set(live_->tuning.limits.head_timeout);
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(live_->tuning.limits.head_bytes_max));
  parser_->body_limit(boost::none);  // set when it is known that the body will be read
  http::async_read_header(socket_, buffer_, *parser_,
                          [self = shared_from_this()](const Failure& failed, std::size_t) { self->on_head(failed); });
}

void HttpSession::on_head(const Failure& failed) {
  if (state_ != State::kHead) return;  // its deadline has answered
  const HttpLimits& limits = live_->tuning.limits;
  if (failed == http::error::header_limit || failed == http::error::buffer_overflow) {
    // Once the request line has been parsed the buffer starts behind it.
    if (parser_->get().target().empty() && has_long_target(buffer_, limits.target_bytes_max)) {
      return refuse(ErrorCode::kUriTooLong, 414, "the request target is too long");
    }
    return refuse(ErrorCode::kHeadersTooLarge, 431,
                  "the request head is larger than " + std::to_string(limits.head_bytes_max) + " bytes");
  }
  if (failed == http::error::bad_version) return refuse(ErrorCode::kInvalidRequest, 400, "this server speaks HTTP/1.1");
  if (is_malformed(failed)) {
    return refuse(ErrorCode::kInvalidRequest, 400, "this is no valid HTTP request: " + failed.message());
  }
  if (failed) return close(CancelReason::kClientGone);

  std::weak_ptr<HttpSession> weak = weak_from_this();
  exchange_ = std::make_unique<Exchange>(context_, head_of(*parser_), arrived_, [weak] {
    if (auto self = weak.lock()) self->wake();
  });
  switch (exchange_->on_head()) {
    case Exchange::Next::kAnswer:
      state_ = State::kAnswering;
      advance();
      return watch();
    case Exchange::Next::kUpgrade:
      return hand_over();
    case Exchange::Next::kReadBody:
      return begin_body();
  }
}

void HttpSession::begin_body() {
  state_ = State::kBody;
  body_bytes_ = 0;
  deadline_.set(live_->tuning.limits.body_timeout);
  parser_->body_limit(live_->tuning.limits.body_bytes_max);
  parser_->eager(false);  // one piece at a time, so that what framing costs is counted
  bool is_expected = exchange_->head().version == 11 && !exchange_->head().find("Expect").empty();
  if (!is_expected || buffer_.size() > 0 || parser_->is_done()) return read_body();
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue.data(), kContinue.size()),
                    [self = shared_from_this()](const Failure& failed, std::size_t) {
                      if (self->state_ != State::kBody) return;
                      if (failed) return self->close(CancelReason::kClientGone);
                      self->read_body();
                    });
}

void HttpSession::read_body() {
  if (parser_->is_done()) {
    state_ = State::kAnswering;
    deadline_.clear();
    exchange_->on_body(std::move(parser_->get().body()));
    parser_.reset();
    body_memory_.shrink_to(0);
    advance();
    return watch();
  }
  http::async_read_some(
      socket_, buffer_, *parser_,
      [self = shared_from_this()](const Failure& failed, std::size_t bytes) { self->on_body_part(failed, bytes); });
}

void HttpSession::on_body_part(const Failure& failed, std::size_t bytes) {
  if (state_ != State::kBody) return;
  const HttpLimits& limits = live_->tuning.limits;
  body_bytes_ += bytes;
  if (failed == http::error::body_limit || body_bytes_ > wire_bytes_max(limits)) {
    return refuse(ErrorCode::kPayloadTooLarge, 413,
                  "the body is larger than " + std::to_string(limits.body_bytes_max) + " bytes");
  }
  if (is_malformed(failed)) {
    return refuse(ErrorCode::kInvalidRequest, 400, "the body is malformed: " + failed.message());
  }
  if (failed) return close(CancelReason::kClientGone);
  std::uint64_t memory = body_memory(parser_->get().body().size(), parser_->chunked());
  if (!body_memory_.grow_to(memory)) {
    parser_.reset();  // the answer may take a while to be read
    body_memory_.shrink_to(0);
    return refuse(context_.memory_refusal(MemoryUse::kInput, memory), 429);
  }
  read_body();
}

// Nothing the client sends after this is read as a request.
void HttpSession::refuse(ErrorCode code, int status, std::string message) {
  refuse({code, std::move(message), "", 0}, status);
}

void HttpSession::refuse(const Error& error, int status) {
  state_ = State::kAnswering;
  if (exchange_ == nullptr) return send(refuse_bytes(context_, error, status));
  exchange_->refuse(error);
  Answer answer = exchange_->take_answer();
  answer.close = true;
  send(std::move(answer));
}

void HttpSession::hand_over() {
  http::request_header<> head = parser_->release().base();
  std::string tenant = exchange_->tenant();
  state_ = State::kClosed;
  deadline_.stop();
  exchange_.reset();
  // A pending wait would keep the descriptor's read queue busy; it ends with operation_aborted.
  Failure ignored;
  socket_.cancel(ignored);
  upgrade_(std::move(socket_), std::move(head), std::move(tenant), std::move(slot_));
  connections_.remove(this);
}

// ---- ending -----------------------------------------------------------------------------------------------------

// Bytes still on their way to us would make the kernel reset the connection, and the answer could be lost with it.
void HttpSession::linger() {
  if (state_ != State::kLingering) {
    state_ = State::kLingering;
    deadline_.set(live_->tuning.limits.linger);
    Failure ignored;
    socket_.shutdown(asio::socket_base::shutdown_send, ignored);
    buffer_.consume(buffer_.size());
  }
  socket_.async_read_some(buffer_.prepare(kReadBytes),
                          [self = shared_from_this()](const Failure& failed, std::size_t bytes) {
                            if (self->state_ == State::kClosed) return;
                            self->lingered_bytes_ += bytes;
                            if (failed || self->lingered_bytes_ > kLingerBytesMax)
                              return self->close(CancelReason::kClientGone);
                            self->linger();
                          });
}

void HttpSession::close(CancelReason reason) {
  if (state_ == State::kClosed) return;
  auto self = shared_from_this();
  state_ = State::kClosed;
  deadline_.stop();
  if (exchange_ != nullptr) exchange_->cancel(reason);
  exchange_.reset();
  Failure ignored;
  socket_.close(ignored);
  slot_.reset();
  connections_.remove(this);
}

void HttpSession::on_deadline() {
  switch (state_) {
    case State::kIdle:
    case State::kLingering:
      return close(CancelReason::kClientGone);
    case State::kHead:
    case State::kBody: {
      bool is_head = state_ == State::kHead;
      state_ = State::kAnswering;  // what is being read does not count any more
      Failure ignored;
      socket_.cancel(ignored);
      return refuse(ErrorCode::kRequestTimeout, 408,
                    is_head ? "the request head took too long" : "the request body took too long");
    }
    case State::kAnswering:
      if (is_writing_) return look_at_write();
      if (is_streaming_) {
        constexpr std::string_view kComment = ": keep-alive\n\n";
        if (is_chunked_)
          append_chunk(out_, kComment);
        else
          out_ += kComment;
        write();
      }
      return;
    case State::kClosed:
      return;
  }
}

}  // namespace troupe
