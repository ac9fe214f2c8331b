#include "net/http/http_server.hpp"

#include <pthread.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <future>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/http/connection_set.hpp"
#include "net/http/http_session.hpp"
#include "net/ws/ws_session.hpp"
#include "runtime/log.hpp"

namespace troupe {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Failure = boost::system::error_code;

constexpr int kBacklog = 4096;                           // the kernel cuts it to net.core.somaxconn
constexpr std::chrono::milliseconds kAcceptPause{100};   // after a failed accept (no descriptors): others must close
constexpr std::chrono::milliseconds kStopMargin{1'000};  // beyond what a WebSocket's close may take

std::string random_hex() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::random_device device;
  std::string out;
  for (int i = 0; i < 8; ++i) out += kDigits[device() % 16];
  return out;
}

Error cannot_listen(const HttpOptions& options, const std::string& why) {
  return {ErrorCode::kConfiguration,
          "cannot listen on " + options.address + ":" + std::to_string(options.port) + ": " + why, "", 0};
}

// What a library throws ends the handler that threw, not the server.
void run(asio::io_context& io) {
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& thrown) {
      log(LogLevel::kError, "net", std::string("a connection's handler failed: ") + thrown.what());
    }
  }
}

}  // namespace

struct HttpServer::State {
  HttpContext context;
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
  asio::strand<asio::io_context::executor_type> strand{asio::make_strand(io)};  // of the acceptor
  tcp::acceptor acceptor{strand};
  asio::steady_timer pause{strand};
  bool accept_failed = false;  // and that was logged
  ConnectionSet sessions;
  std::shared_ptr<ConnectionCount> count;
  std::shared_ptr<WsSockets> sockets = std::make_shared<WsSockets>();
  std::vector<std::thread> threads;

  State(HttpOptions options, InferenceService& service, const ModelCatalog& catalog, Metrics* metrics)
      : context(std::move(options), service, catalog, metrics),
        count(std::make_shared<ConnectionCount>([metrics](std::size_t now) {
          if (metrics != nullptr) metrics->http_connections.set(static_cast<double>(now));
        })) {
    context.instance = random_hex();
  }

  Status listen();
  void accept();
  void on_accept(const Failure& failed, tcp::socket socket);
  Result<std::shared_ptr<void>> enter();
  void turn_away(tcp::socket socket, const Error& error);
  void upgrade(tcp::socket socket, boost::beast::http::request_header<> head, std::string tenant,
               std::shared_ptr<void> slot);
  void stop_accepting();
};

Status HttpServer::State::listen() {
  const HttpOptions& options = context.options;
  Failure failed;
  asio::ip::address address =
      asio::ip::make_address(options.address == "localhost" ? "127.0.0.1" : options.address, failed);
  if (failed) return cannot_listen(options, "that is not an IP address");
  tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), failed);
  // Not SO_REUSEPORT: two servers on one port by mistake would share its clients.
  if (!failed) acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(kBacklog, failed);
  if (failed) return cannot_listen(options, failed.message());
  return {};
}

void HttpServer::State::accept() {
  acceptor.async_accept(asio::make_strand(io),
                        [this](const Failure& failed, tcp::socket socket) { on_accept(failed, std::move(socket)); });
}

void HttpServer::State::on_accept(const Failure& failed, tcp::socket socket) {
  if (!acceptor.is_open()) return;
  if (failed) {
    if (!accept_failed) log(LogLevel::kWarning, "net", "cannot accept a connection: " + failed.message());
    accept_failed = true;
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](const Failure&) {
      if (acceptor.is_open()) accept();
    });
    return;
  }
  accept_failed = false;
  if (Result<std::shared_ptr<void>> place = enter(); !place) {
    turn_away(std::move(socket), place.error());
  } else {
    if (context.metrics != nullptr) context.metrics->connections_accepted.count();
    auto session =
        std::make_shared<HttpSession>(std::move(socket), context, sessions, *std::move(place),
                                      [this](tcp::socket taken, boost::beast::http::request_header<> head,
                                             std::string tenant, std::shared_ptr<void> slot) {
                                        upgrade(std::move(taken), std::move(head), std::move(tenant), std::move(slot));
                                      });
    sessions.add(session);
    session->start();
  }
  accept();
}

// A place among the connections and the memory it needs, in one slot.
Result<std::shared_ptr<void>> HttpServer::State::enter() {
  struct Place {
    MemoryLease memory;
    std::shared_ptr<void> slot;
  };
  if (count->count() >= context.live()->tuning.limits.connections_max) {
    return Error{ErrorCode::kNotReady, "the server has too many connections", "", 1};
  }
  Place place{{context.options.memory, MemoryUse::kConnections}, nullptr};
  if (!place.memory.grow_to(kConnectionBytes)) {
    return context.memory_refusal(MemoryUse::kConnections, kConnectionBytes);
  }
  place.slot = count->enter();
  return std::shared_ptr<void>(std::make_shared<Place>(std::move(place)));
}

// One attempt to say why; whoever does not listen gets a closed connection.
void HttpServer::State::turn_away(tcp::socket socket, const Error& error) {
  if (context.metrics != nullptr) context.metrics->connections_refused.count();
  std::string answer = serialize(refuse_bytes(context, error, 503), 11, false);
  Failure ignored;
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(answer), 0, ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
}

void HttpServer::State::upgrade(tcp::socket socket, boost::beast::http::request_header<> head, std::string tenant,
                                std::shared_ptr<void> slot) {
  // The session keeps its pointer to the sockets until it ends, and the connection's slot with it.
  struct Membership {
    std::shared_ptr<WsSockets> sockets;
    std::shared_ptr<void> slot;
    MemoryLease memory;
  };
  auto membership = std::make_shared<Membership>(
      Membership{sockets, std::move(slot), {context.options.memory, MemoryUse::kConnections}});
  if (!membership->memory.grow_to(kWebSocketBytes)) {
    return turn_away(std::move(socket), context.memory_refusal(MemoryUse::kConnections, kWebSocketBytes));
  }
  WsContext ws;
  ws.service = &context.service;
  ws.catalog = &context.catalog;
  ws.metrics = context.metrics;
  ws.sockets = std::shared_ptr<WsSockets>(membership, membership->sockets.get());
  ws.tenant = std::move(tenant);
  ws.request_id = "ws-" + context.instance + "-" + std::to_string(context.requests.fetch_add(1) + 1);
  ws.limits = context.options.ws_limits;
  ws.memory = context.options.memory;
  // Pages that may use the HTTP API may use this one.
  const std::string origin = context.live()->tuning.cors_origin;
  if (!origin.empty()) ws.limits.allowed_origins.push_back(origin);
  run_ws_session(boost::beast::tcp_stream(std::move(socket)), std::move(head), std::move(ws));
}

void HttpServer::State::stop_accepting() {
  context.is_draining.store(true);
  if (threads.empty()) return;
  std::promise<void> closed;  // afterwards no session is added
  asio::post(strand, [this, &closed] {
    Failure ignored;
    acceptor.close(ignored);
    pause.cancel();
    closed.set_value();
  });
  closed.get_future().wait();
  sockets->end_all(WsSockets::Ending::kDrain);
  sessions.close_idle();
}

HttpServer::HttpServer(HttpOptions options, InferenceService& service, const ModelCatalog& catalog, Metrics* metrics)
    : state_(std::make_unique<State>(std::move(options), service, catalog, metrics)) {}

HttpServer::~HttpServer() { stop(); }

Result<std::uint16_t> HttpServer::start() {
  Status listening = state_->listen();
  if (!listening.ok()) return listening.error();
  std::uint16_t port = state_->acceptor.local_endpoint().port();
  state_->accept();
  std::uint32_t threads = std::max(1U, state_->context.options.io_threads);
  for (std::uint32_t i = 0; i < threads; ++i) {
    state_->threads.emplace_back([io = &state_->io, i] {
      pthread_setname_np(pthread_self(), ("troupe-io-" + std::to_string(i)).c_str());
      run(*io);
    });
  }
  return port;
}

void HttpServer::stop_accepting() { state_->stop_accepting(); }

bool HttpServer::wait_until_idle(std::chrono::milliseconds timeout) { return state_->count->wait_until_zero(timeout); }

void HttpServer::stop() {
  if (state_->threads.empty()) return;
  state_->stop_accepting();
  state_->sockets->end_all(WsSockets::Ending::kNow);
  state_->sessions.close_all();
  state_->work.reset();
  state_->count->wait_until_zero(state_->context.options.ws_limits.close_timeout + kStopMargin);
  state_->io.stop();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

void HttpServer::retune(HttpTuning tuning) { state_->context.retune(std::move(tuning)); }

std::size_t HttpServer::connections() const { return state_->count->count(); }

}  // namespace troupe
