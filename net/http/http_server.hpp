#pragma once
// The HTTP and WebSocket server: listens, accepts, and gives each connection a session on one of its own threads.
#include <chrono>
#include <cstdint>
#include <memory>

#include "net/http/http_options.hpp"
#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/model_catalog.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

class HttpServer {
 public:
  // All three outlive the server. No metrics: nothing is counted.
  HttpServer(HttpOptions options, InferenceService& service, const ModelCatalog& catalog, Metrics* metrics);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Listens and starts the threads. The port it listens on, or kConfiguration: the address is none, the port is taken.
  Result<std::uint16_t> start();

  // Draining, in this order: no new connections, idle ones close, running answers go on and then close theirs.
  void stop_accepting();
  bool wait_until_idle(std::chrono::milliseconds timeout);  // true: no connection is left

  void stop();  // cancels what still runs (kShutdown) and joins the threads; idempotent

  // For requests whose head comes from now on. From any thread.
  void retune(HttpTuning tuning);

  std::size_t connections() const;  // open ones, WebSockets included

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace troupe
