#pragma once
// One client connection of HTTP/1.1: an exchange at a time, kept alive between them. What the bytes mean is the
// listener's; nothing of it is called before exchange() returns.
//
// A server may close an idle connection just as it is used again: an exchange that fails on a used connection before a
// byte of its answer has come is made once more, on a new one.
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/client/client_options.hpp"
#include "net/http/deadline.hpp"
#include "runtime/doors/completion_client.hpp"

namespace troupe {

class ExchangeListener {
 public:
  virtual ~ExchangeListener() = default;
  virtual void on_head(int status, bool is_event_stream, std::string_view retry_after) = 0;
  virtual void on_body(std::string_view bytes) = 0;
  // kDone: the whole answer came. kConnect, kBroken, kMalformed, kTimeout, kCancelled: why not.
  virtual void on_over(ClientEnding ending, const std::string& error) = 0;
};

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;

  // `endpoints` are tried in order and outlive the connection, as the listener does.
  HttpConnection(boost::asio::io_context& io, const Endpoints& endpoints, std::chrono::milliseconds timeout,
                 ExchangeListener& listener);

  void exchange(std::string bytes);
  void cancel();  // the exchange that runs, if one does: its on_over() is called from here
  void close();   // for good, without a word to the listener
  bool is_open() const { return socket_.is_open(); }

 private:
  using Failure = boost::beast::error_code;

  bool is_stale();
  void connect();
  void write();
  void read_head();
  void read_body();
  void on_body_part(const Failure& failed);
  void fail(const Failure& failed);
  void end(ClientEnding ending, const std::string& error);
  void drop();  // the socket, and every handler that is on its way
  template <class Handler>
  auto of_this_turn(Handler handler);

  boost::asio::ip::tcp::socket socket_;
  const Endpoints& endpoints_;
  const std::chrono::milliseconds timeout_;
  ExchangeListener& listener_;
  Deadline deadline_;

  std::uint64_t turn_ = 0;  // handlers of earlier ones are void
  bool is_running_ = false;
  bool is_reused_ = false;
  std::string out_;
  boost::beast::flat_buffer buffer_{ClientOptions::kHeadBytesMax};
  std::optional<boost::beast::http::response_parser<boost::beast::http::buffer_body>> parser_;
  std::array<char, 4096> part_{};  // of a body
};

}  // namespace troupe
