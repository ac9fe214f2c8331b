#include "net/ws/ws_session.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <boost/beast/zlib/error.hpp>

#include "net/schema/error_object.hpp"
#include "net/slow_reader.hpp"
#include "net/ws/metered_stream.hpp"
#include "net/ws/ws_conversation.hpp"
#include "net/ws/ws_handshake.hpp"

namespace troupe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using beast::error_code;

constexpr std::size_t kReadBytes = 64U << 10U;         // of a message, at a time
constexpr std::size_t kUncountedMessage = 64U << 10U;  // in kWebSocketBytes

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// Compression that costs a socket some 80 KiB: a small window for what we send, nothing kept between our messages,
// short ones as they are. The window of what we read stays at 32 KiB: with a smaller one the library would not
// compress for clients that cannot be asked for it.
websocket::permessage_deflate deflate_options() {
  websocket::permessage_deflate options;
  options.server_enable = true;
  options.server_no_context_takeover = true;
  options.server_max_window_bits = 12;
  options.memLevel = 4;
  options.compLevel = 3;
  options.msg_size_threshold = 512;
  return options;
}

// With which code the library has closed the socket; 0: it was the peer, or the connection broke.
int close_code_of(error_code error) {
  if (error == websocket::error::message_too_big) return websocket::close_code::too_big;
  if (error == websocket::error::bad_frame_payload) return websocket::close_code::bad_payload;
  return error == websocket::condition::protocol_violation ? websocket::close_code::protocol_error : 0;
}

bool is_inflate_error(error_code error) {
  return error.category() == beast::zlib::make_error_code(beast::zlib::error::general).category();
}

// An unmasked close frame with code 1007.
constexpr std::array<std::uint8_t, 4> kBadPayloadFrame = {0x88, 2, 1007 >> 8, 1007 & 0xFF};

// The socket of a conversation.
// Everything but wake() runs on the stream's executor. One read and one write are under way at most.
class WsSession : public std::enable_shared_from_this<WsSession> {
 public:
  WsSession(beast::tcp_stream stream, http::request_header<> upgrade, WsContext context)
      : context_(std::move(context)),
        socket_(std::move(stream), context_.limits, context_.clock),
        stall_timer_(socket_.get_executor()),
        close_timer_(socket_.get_executor()),
        reader_(context_.memory),
        upgrade_(http::request<http::empty_body>(std::move(upgrade))),
        in_memory_(context_.memory, MemoryUse::kInput),
        conversation_(context_, [this] { wake(); }) {}
  ~WsSession() { end(); }

  void start();

 private:
  using Socket = websocket::stream<MeteredStream>;

  // ---- life of the socket ----
  void refuse(const Error& error);
  void on_open(error_code error);
  void close(websocket::close_code code, CancelReason reason = CancelReason::kClientGone);
  void close_bad_payload();
  void force_close();
  void arm_close_timer();
  void leave(CancelReason reason);
  void end();
  void told_to_end(WsSockets::Ending ending);
  void close_if_drained();

  // ---- client to server ----
  void read();
  void on_read(error_code error);
  bool has_memory();
  void handle();

  // ---- server to client ----
  void wake();
  void pump();
  void watch_write();
  void on_written(error_code error);

  WsContext context_;
  Socket socket_;
  asio::steady_timer stall_timer_;  // runs while a write is under way
  asio::steady_timer close_timer_;  // runs while the peer should close
  SlowReader reader_;
  http::request<http::empty_body> upgrade_;
  http::response<http::string_body> refusal_;

  beast::flat_buffer in_;
  MemoryLease in_memory_;  // of a message that is longer than kUncountedMessage
  bool reading_ = false;
  std::string out_;  // being written
  bool writing_ = false;
  std::uint64_t writes_ = 0;  // so far; tells the timer of one from that of the next
  SteadyTime write_begun_{};
  std::uint64_t written_before_ = 0;  // bytes, on the wire
  std::atomic<bool> woken_ = false;   // a pump() is on its way
  WsConversation conversation_;

  std::uint64_t socket_id_ = 0;
  bool open_ = false;
  bool draining_ = false;
  bool closing_ = false;  // nothing more is read or written
  bool ended_ = false;
  int close_code_ = 0;  // ours, for the books
};

// ---- life of the socket ---------------------------------------------------------------------------------------------

void WsSession::start() {
  beast::get_lowest_layer(socket_).expires_never();  // the WebSocket has its own timers
  auto field = [&](http::field name) { return view(upgrade_[name]); };
  Status status =
      check_ws_handshake({field(http::field::sec_websocket_key), field(http::field::origin), field(http::field::host)},
                         context_.limits.allowed_origins);
  if (!status.ok()) return refuse(status.error());

  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = context_.limits.close_timeout;  // of the opening and of the closing handshake
  timeouts.idle_timeout = context_.limits.idle_timeout;
  timeouts.keep_alive_pings = true;
  socket_.set_option(timeouts);
  socket_.set_option(deflate_options());
  std::string protocol(choose_ws_protocol(field(http::field::sec_websocket_protocol)));
  socket_.set_option(websocket::stream_base::decorator([protocol](websocket::response_type& response) {
    response.set(http::field::server, "troupe");
    if (!protocol.empty()) response.set(http::field::sec_websocket_protocol, protocol);
  }));
  socket_.read_message_max(context_.limits.message_bytes_max);

  MeteredStream::Events events;
  events.excess = [weak = weak_from_this()](FrameMeter::Excess excess) {
    auto self = weak.lock();
    if (!self) return;
    auto code =
        excess == FrameMeter::Excess::kBytes ? websocket::close_code::too_big : websocket::close_code::policy_error;
    // Not from within the read that noticed it.
    asio::post(self->socket_.get_executor(), [self, code] { self->close(code); });
  };
  events.teardown = [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->leave(CancelReason::kClientGone);
    self->arm_close_timer();
  };
  socket_.next_layer().on(std::move(events));
  socket_.async_accept(upgrade_, [self = shared_from_this()](error_code error) { self->on_open(error); });
}

void WsSession::refuse(const Error& error) {
  refusal_.result(static_cast<unsigned>(http_status_of(error.code)));
  refusal_.version(11);
  refusal_.set(http::field::content_type, "application/json");
  refusal_.set(http::field::connection, "close");
  append_error_object(refusal_.body(), error);
  refusal_.prepare_payload();
  if (context_.metrics != nullptr) {
    context_.metrics->http_answered(HttpRoute::kWebSocket, http_status_of(error.code));
    context_.metrics->error_sent(error.code, Protocol::kWebSocket);
  }
  auto& stream = beast::get_lowest_layer(socket_);
  stream.expires_after(context_.limits.close_timeout);
  http::async_write(stream, refusal_, [self = shared_from_this()](error_code, std::size_t) {
    error_code ignored;
    beast::get_lowest_layer(self->socket_).socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  });
}

void WsSession::on_open(error_code error) {
  upgrade_ = {};
  if (context_.metrics != nullptr) context_.metrics->http_answered(HttpRoute::kWebSocket, error ? 400 : 101);
  if (error) return force_close();
  open_ = true;
  if (context_.metrics != nullptr) context_.metrics->ws_sockets.add(1);
  if (context_.sockets) {
    socket_id_ = context_.sockets->add([weak = weak_from_this(), executor = socket_.get_executor()](auto ending) {
      asio::post(executor, [weak, ending] {
        if (auto self = weak.lock()) self->told_to_end(ending);
      });
    });
  }
  socket_.text(true);
  read();
}

void WsSession::close(websocket::close_code code, CancelReason reason) {
  if (closing_) return;
  close_code_ = code;
  leave(reason);
  arm_close_timer();
  socket_.async_close(code, [self = shared_from_this()](error_code) { self->end(); });
}

// The library fails at what does not inflate without a word and does nothing more, so the last word is ours.
void WsSession::close_bad_payload() {
  close_code_ = websocket::close_code::bad_payload;
  leave(CancelReason::kClientGone);
  if (writing_) return end();  // a close frame within another frame would be no close frame
  arm_close_timer();
  auto& stream = beast::get_lowest_layer(socket_);
  asio::async_write(stream, asio::buffer(kBadPayloadFrame), [self = shared_from_this()](error_code, std::size_t) {
    auto& socket = beast::get_lowest_layer(self->socket_).socket();
    websocket::async_teardown(beast::role_type::server, socket, [self](error_code) { self->end(); });
  });
}

void WsSession::force_close() {
  leave(CancelReason::kClientGone);
  beast::get_lowest_layer(socket_).close();
}

// The peer has this long to close its side; then the socket goes.
void WsSession::arm_close_timer() {
  close_timer_.expires_after(context_.limits.close_timeout);
  close_timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->force_close();
  });
}

// Nothing more is said.
void WsSession::leave(CancelReason reason) {
  closing_ = true;
  conversation_.end(reason);
}

void WsSession::end() {
  if (ended_) return;
  ended_ = true;
  leave(CancelReason::kClientGone);
  stall_timer_.cancel();
  close_timer_.cancel();
  beast::get_lowest_layer(socket_).close();  // a write may still be stuck in it
  if (socket_id_ != 0) context_.sockets->remove(socket_id_);
  if (!open_ || context_.metrics == nullptr) return;
  int code = close_code_ != 0 ? close_code_ : socket_.reason().code;
  context_.metrics->ws_sockets.add(-1);
  context_.metrics->ws_closes.count(ws_close(code));
}

void WsSession::told_to_end(WsSockets::Ending ending) {
  draining_ = true;
  conversation_.refuse_new();
  if (ending == WsSockets::Ending::kNow) return close(websocket::close_code::going_away, CancelReason::kShutdown);
  close_if_drained();
}

void WsSession::close_if_drained() {
  if (draining_ && !writing_ && conversation_.is_over()) close(websocket::close_code::going_away);
}

// ---- client to server -----------------------------------------------------------------------------------------------

void WsSession::read() {
  if (reading_ || closing_ || conversation_.replies() >= context_.limits.replies_max) return;
  reading_ = true;
  // Piece by piece, so that what a message takes is asked for before all of it is there.
  socket_.async_read_some(in_, kReadBytes,
                          [self = shared_from_this()](error_code error, std::size_t) { self->on_read(error); });
}

bool WsSession::has_memory() {
  if (in_.size() <= kUncountedMessage) return true;
  std::uint64_t bytes = 3 * in_.size();  // the buffer doubles: both copies while it does
  if (socket_.is_message_done()) bytes += parse_bytes({static_cast<const char*>(in_.cdata().data()), in_.size()});
  if (in_memory_.grow_to(bytes)) return true;
  context_.memory->count(MemoryStep::kRefusal);
  return false;
}

void WsSession::on_read(error_code error) {
  reading_ = false;
  if (error) {
    if (!closing_ && is_inflate_error(error)) return close_bad_payload();
    if (close_code_ == 0) close_code_ = close_code_of(error);  // the library has closed it by itself
    return end();
  }
  if (closing_) return;
  if (socket_.got_binary()) return close(websocket::close_code::unknown_data);
  if (!has_memory()) return close(websocket::close_code::try_again_later);
  if (socket_.is_message_done()) handle();
  read();
}

void WsSession::handle() {
  auto bytes = in_.cdata();
  conversation_.handle({static_cast<const char*>(bytes.data()), bytes.size()});
  in_.consume(in_.size());
  // A large message is rare: its memory is not kept for the life of the socket.
  if (in_.capacity() > kUncountedMessage) in_.shrink_to_fit();
  in_memory_.shrink_to(0);
  pump();
}

// ---- server to client -----------------------------------------------------------------------------------------------

// From any thread; the conversation's streams call it no more once it has ended.
void WsSession::wake() {
  if (woken_.exchange(true)) return;
  asio::post(socket_.get_executor(), [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    self->woken_.store(false);
    self->pump();
  });
}

void WsSession::pump() {
  if (writing_ || closing_ || !open_) return;
  if (!conversation_.next(out_)) return close_if_drained();
  writing_ = true;
  ++writes_;
  write_begun_ = context_.clock();
  written_before_ = socket_.next_layer().bytes_written();
  reader_.begin(write_begun_);
  watch_write();
  socket_.async_write(asio::buffer(out_),
                      [self = shared_from_this()](error_code error, std::size_t) { self->on_written(error); });
}

void WsSession::watch_write() {
  auto left = write_begun_ + context_.limits.write_stall - context_.clock();
  stall_timer_.expires_after(context_.memory ? std::min<SteadyTime::duration>(left, SlowReader::kLook) : left);
  stall_timer_.async_wait([self = shared_from_this(), write = writes_](error_code error) {
    if (error || !self->writing_ || write != self->writes_) return;
    SteadyTime now = self->context_.clock();
    std::uint64_t written = self->socket_.next_layer().bytes_written() - self->written_before_;
    int socket = beast::get_lowest_layer(self->socket_).socket().native_handle();
    bool is_stalled = now - self->write_begun_ >= self->context_.limits.write_stall;
    if (!is_stalled && !self->reader_.is_cut_off(now, taken_by_reader(socket, written))) return self->watch_write();
    // The peer reads nothing, so it would not get a close frame either.
    self->close_code_ = websocket::close_code::policy_error;
    self->leave(CancelReason::kWriteStall);
    self->force_close();
  });
}

void WsSession::on_written(error_code error) {
  writing_ = false;
  stall_timer_.cancel();
  if (error) return leave(CancelReason::kClientGone);  // the read fails too, and ends the session
  pump();
  read();
}

}  // namespace

void run_ws_session(beast::tcp_stream stream, http::request_header<> upgrade, WsContext context) {
  std::make_shared<WsSession>(std::move(stream), std::move(upgrade), std::move(context))->start();
}

}  // namespace troupe
