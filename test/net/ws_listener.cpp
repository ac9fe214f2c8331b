#include "test/net/ws_listener.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <thread>

#include "net/ws/ws_session.hpp"

namespace troupe::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;

namespace {
// One connection until its head has been read.
struct Greeting {
  explicit Greeting(tcp::socket socket) : stream(std::move(socket)) {}
  beast::tcp_stream stream;
  beast::flat_buffer buffer;
  beast::http::request<beast::http::empty_body> request;
};
}  // namespace

struct WsListener::State {
  asio::io_context io{1};
  tcp::acceptor acceptor{io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  WsContext context;
  std::thread thread;

  void accept() {
    acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error) return;
      auto greeting = std::make_shared<Greeting>(std::move(socket));
      beast::http::async_read(greeting->stream, greeting->buffer, greeting->request,
                              [this, greeting](beast::error_code failed, std::size_t) {
                                if (failed) return;
                                run_ws_session(std::move(greeting->stream), std::move(greeting->request.base()),
                                               context);
                              });
      accept();
    });
  }
};

WsListener::WsListener(InferenceService& service, const ModelCatalog& catalog, Metrics& metrics, WsSockets& sockets,
                       WsLimits limits, MemoryGovernorPtr memory)
    : state_(std::make_unique<State>()) {
  state_->context.service = &service;
  state_->context.catalog = &catalog;
  state_->context.metrics = &metrics;
  state_->context.sockets = std::shared_ptr<WsSockets>(std::shared_ptr<void>(), &sockets);
  state_->context.tenant = "somebody";
  state_->context.request_id = "ws-test";
  state_->context.limits = std::move(limits);
  state_->context.memory = std::move(memory);
  state_->accept();
  state_->thread = std::thread([this] { state_->io.run(); });
}

WsListener::~WsListener() {
  state_->io.stop();
  state_->thread.join();
}

std::uint16_t WsListener::port() const { return state_->acceptor.local_endpoint().port(); }

}  // namespace troupe::test
