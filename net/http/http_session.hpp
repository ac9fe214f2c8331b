#pragma once
// One HTTP/1.1 connection: reads requests one after the other, feeds each to an Exchange and writes what that gives
// back. All of it runs on the connection's strand.
//
// While an answer is being made the socket is watched: a client that closes (FIN, also only its sending half) or
// resets is gone, and what it asked for is cancelled. Bytes it pipelines meanwhile are kept, up to a bound.
// One write is in flight at a time; the next one takes everything that has come since.
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/http/connection_set.hpp"
#include "net/http/deadline.hpp"
#include "net/http/exchange.hpp"
#include "net/slow_reader.hpp"

namespace troupe {

class HttpSession : public Connection, public std::enable_shared_from_this<HttpSession> {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  // Takes the connection over as a WebSocket. What was read beyond the head of the upgrade is lost: a client that
  // speaks before the handshake is answered breaks RFC 6455 anyway.
  using UpgradeHandler = std::function<void(Socket socket, boost::beast::http::request_header<> head,
                                            std::string tenant, std::shared_ptr<void> slot)>;

  // The socket's executor is a strand. `slot` is given back when the connection ends.
  HttpSession(Socket socket, HttpContext& context, ConnectionSet& connections, std::shared_ptr<void> slot,
              UpgradeHandler upgrade);

  void start();
  void close_if_idle() override;
  void close_now() override;

 private:
  enum class State : std::uint8_t { kIdle, kHead, kBody, kAnswering, kLingering, kClosed };
  using Failure = boost::beast::error_code;

  void wait_for_request();
  void watch();
  void on_readable(const Failure& failed);
  void on_client_gone();

  void read_head();
  void on_head(const Failure& failed);
  void begin_body();
  void read_body();
  void on_body_part(const Failure& failed, std::size_t bytes);
  bool may_read_ahead();
  void refuse(ErrorCode code, int status, std::string message);
  void refuse(const Error& error, int status);
  void hand_over();

  void wake();     // from any thread
  void advance();  // writes what the exchange has, unless a write is in flight
  void send(Answer answer);
  void write();
  void on_written(const Failure& failed, std::size_t bytes);
  void finish_exchange();

  void linger();
  void close(CancelReason reason);

  void on_deadline();
  void set_write_deadline();
  bool is_cut_off();
  void look_at_write();

  Socket socket_;
  const boost::asio::any_io_executor executor_;
  HttpContext& context_;
  std::shared_ptr<const HttpLive> live_;  // of the request that is read or answered
  ConnectionSet& connections_;
  std::shared_ptr<void> slot_;
  UpgradeHandler upgrade_;

  State state_ = State::kIdle;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  SteadyTime arrived_{};        // the first byte of the request
  bool is_first_ = true;        // no request has come yet
  bool is_watching_ = false;    // a wait for readability is pending
  std::size_t body_bytes_ = 0;  // off the wire, framing included
  MemoryLease body_memory_;
  MemoryLease ahead_memory_;  // of more in buffer_ than a connection's own
  std::unique_ptr<Exchange> exchange_;
  std::atomic<bool> is_woken_{false};  // a call of advance() is on its way

  std::string out_;     // being written: [0, written_) is out
  std::string events_;  // to be framed; kept for its memory
  std::size_t written_ = 0;
  bool is_writing_ = false;
  SlowReader reader_;          // of out_
  SteadyTime progressed_{};    // the last time it took something
  bool is_streaming_ = false;  // the head of a stream is out
  bool is_chunked_ = false;
  bool is_last_ = false;  // out_ ends the answer
  bool keep_alive_ = false;

  Deadline deadline_;  // what it means, state_ says
  std::size_t lingered_bytes_ = 0;
};

}  // namespace troupe
