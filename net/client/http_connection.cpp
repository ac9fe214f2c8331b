#include "net/client/http_connection.hpp"

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <utility>

namespace troupe {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

bool is_malformed(const boost::beast::error_code& failed) {
  static const auto& of_parser = http::make_error_code(http::error::bad_method).category();
  return failed.category() == of_parser && failed != http::error::end_of_stream &&
         failed != http::error::partial_message;
}

}  // namespace

HttpConnection::HttpConnection(asio::io_context& io, const Endpoints& endpoints, std::chrono::milliseconds timeout,
                               ExchangeListener& listener)
    : socket_(io), endpoints_(endpoints), timeout_(timeout), listener_(listener), deadline_(socket_.get_executor()) {
  deadline_.on_passed([this] {
    if (!is_running_) return;
    drop();
    end(ClientEnding::kTimeout, "");
  });
}

// The handler of an operation of this exchange: void when the exchange has ended meanwhile.
template <class Handler>
auto HttpConnection::of_this_turn(Handler handler) {
  return [self = shared_from_this(), turn = turn_, handler](const Failure& failed, auto&&...) {
    if (turn == self->turn_) handler(failed);
  };
}

void HttpConnection::exchange(std::string bytes) {
  out_ = std::move(bytes);
  buffer_.clear();
  parser_.reset();
  ++turn_;
  is_running_ = true;
  deadline_.set(timeout_);
  if (socket_.is_open() && is_stale()) drop();
  is_reused_ = socket_.is_open();
  is_reused_ ? write() : connect();
}

// The server has closed it while it was idle, or sent what nobody asked for.
bool HttpConnection::is_stale() {
  char byte = 0;
  ssize_t received = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return received >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void HttpConnection::connect() {
  is_reused_ = false;
  asio::async_connect(socket_, endpoints_, of_this_turn([this](const Failure& failed) {
                        if (failed) {
                          drop();
                          return end(ClientEnding::kConnect, failed.message());
                        }
                        Failure ignored;
                        socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
                        write();
                      }));
}

void HttpConnection::write() {
  asio::async_write(socket_, asio::buffer(out_), of_this_turn([this](const Failure& failed) {
                      // A server may answer and close without reading it all: what it said is read first.
                      if (failed && is_reused_) return fail(failed);
                      read_head();
                    }));
}

void HttpConnection::read_head() {
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(ClientOptions::kHeadBytesMax));
  parser_->body_limit(ClientOptions::kBodyBytesMax);
  http::async_read_header(socket_, buffer_, *parser_, of_this_turn([this](const Failure& failed) {
                            if (failed) return fail(failed);
                            const auto& head = parser_->get();
                            std::string_view type = head[http::field::content_type];
                            listener_.on_head(static_cast<int>(head.result_int()),
                                              type.starts_with("text/event-stream"), head[http::field::retry_after]);
                            if (parser_->is_done()) return on_body_part({});
                            read_body();
                          }));
}

void HttpConnection::read_body() {
  auto& body = parser_->get().body();
  body.data = part_.data();
  body.size = part_.size();
  http::async_read_some(socket_, buffer_, *parser_, of_this_turn([this](const Failure& failed) {
                          std::size_t bytes = part_.size() - parser_->get().body().size;
                          if (bytes > 0) listener_.on_body({part_.data(), bytes});
                          on_body_part(failed == http::error::need_buffer ? Failure{} : failed);
                        }));
}

void HttpConnection::on_body_part(const Failure& failed) {
  if (failed) return fail(failed);
  if (!parser_->is_done()) return read_body();
  if (!parser_->keep_alive()) drop();
  end(ClientEnding::kDone, "");
}

void HttpConnection::fail(const Failure& failed) {
  bool nothing_came = buffer_.size() == 0 && (!parser_ || !parser_->got_some());
  bool may_be_stale = is_reused_ && nothing_came && !is_malformed(failed);
  drop();
  if (may_be_stale) {
    ++turn_;
    return connect();
  }
  end(is_malformed(failed) ? ClientEnding::kMalformed : ClientEnding::kBroken, failed.message());
}

void HttpConnection::drop() {
  ++turn_;
  Failure ignored;
  socket_.close(ignored);
}

void HttpConnection::end(ClientEnding ending, const std::string& error) {
  is_running_ = false;
  deadline_.clear();
  out_ = {};
  listener_.on_over(ending, error);
}

void HttpConnection::cancel() {
  if (!is_running_) return;
  drop();
  end(ClientEnding::kCancelled, "");
}

void HttpConnection::close() {
  is_running_ = false;
  deadline_.stop();
  drop();
}

}  // namespace troupe
