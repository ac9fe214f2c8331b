#pragma once
// The TCP stream under a WebSocket. It shows every byte that comes in to a FrameMeter, and says when the library has
// given up on the connection and only waits for the peer to close: the session must not go on for that long.
#include <boost/asio/async_result.hpp>
#include <boost/asio/buffers_iterator.hpp>
#include <boost/beast/core/async_base.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/teardown.hpp>
#include <functional>
#include <utility>

#include "net/ws/frame_meter.hpp"
#include "runtime/doors/clock.hpp"

namespace troupe {

class MeteredStream {
 public:
  using next_layer_type = boost::beast::tcp_stream;
  using executor_type = next_layer_type::executor_type;

  struct Events {
    std::function<void(FrameMeter::Excess)> excess;
    std::function<void()> teardown;
  };

  MeteredStream(next_layer_type next, const WsLimits& limits, Clock clock)
      : next_(std::move(next)), meter_(limits), clock_(std::move(clock)) {}

  void on(Events events) { events_ = std::move(events); }
  executor_type get_executor() { return next_.get_executor(); }
  next_layer_type& next_layer() { return next_; }
  const next_layer_type& next_layer() const { return next_; }
  std::uint64_t bytes_written() const { return bytes_written_; }  // so far

  template <class Buffers, class Handler>
  auto async_read_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_initiate<Handler, void(boost::beast::error_code, std::size_t)>(StartRead{this}, handler,
                                                                                             buffers);
  }
  template <class Buffers, class Handler>
  auto async_write_some(const Buffers& buffers, Handler&& handler) {
    return boost::asio::async_initiate<Handler, void(boost::beast::error_code, std::size_t)>(StartWrite{this}, handler,
                                                                                             buffers);
  }

 private:
  template <class Handler, class Buffers>
  class Read : public boost::beast::async_base<Handler, executor_type> {
   public:
    template <class H>
    Read(H&& handler, MeteredStream& stream, const Buffers& buffers)
        : boost::beast::async_base<Handler, executor_type>(std::forward<H>(handler), stream.get_executor()),
          stream_(stream),
          buffers_(buffers) {
      stream_.next_.async_read_some(buffers, std::move(*this));
    }
    void operator()(boost::beast::error_code error, std::size_t count) {
      stream_.meter(buffers_, count);
      this->complete_now(error, count);
    }

   private:
    MeteredStream& stream_;
    Buffers buffers_;
  };
  struct StartRead {
    MeteredStream* stream;
    template <class Handler, class Buffers>
    void operator()(Handler&& handler, const Buffers& buffers) {
      Read<std::decay_t<Handler>, Buffers>(std::forward<Handler>(handler), *stream, buffers);
    }
  };

  template <class Handler>
  class Write : public boost::beast::async_base<Handler, executor_type> {
   public:
    template <class H, class Buffers>
    Write(H&& handler, MeteredStream& stream, const Buffers& buffers)
        : boost::beast::async_base<Handler, executor_type>(std::forward<H>(handler), stream.get_executor()),
          stream_(stream) {
      stream_.next_.async_write_some(buffers, std::move(*this));
    }
    void operator()(boost::beast::error_code error, std::size_t count) {
      stream_.bytes_written_ += count;
      this->complete_now(error, count);
    }

   private:
    MeteredStream& stream_;
  };
  struct StartWrite {
    MeteredStream* stream;
    template <class Handler, class Buffers>
    void operator()(Handler&& handler, const Buffers& buffers) {
      Write<std::decay_t<Handler>>(std::forward<Handler>(handler), *stream, buffers);
    }
  };

  template <class Buffers>
  void meter(const Buffers& buffers, std::size_t count) {
    for (auto part = boost::asio::buffer_sequence_begin(buffers);
         count > 0 && part != boost::asio::buffer_sequence_end(buffers); ++part) {
      boost::asio::mutable_buffer bytes = *part;
      std::size_t here = std::min(count, bytes.size());
      FrameMeter::Excess excess = meter_.add({static_cast<const std::uint8_t*>(bytes.data()), here}, clock_());
      if (excess != FrameMeter::Excess::kNone && events_.excess) events_.excess(excess);
      count -= here;
    }
  }

  next_layer_type next_;
  FrameMeter meter_;
  std::uint64_t bytes_written_ = 0;
  Clock clock_;
  Events events_;

  template <class Handler>
  friend void async_teardown(boost::beast::role_type role, MeteredStream& stream, Handler&& handler) {
    if (stream.events_.teardown) stream.events_.teardown();
    boost::beast::websocket::async_teardown(role, stream.next_.socket(), std::forward<Handler>(handler));
  }
};

}  // namespace troupe
