#pragma once
// A server on a free port of loopback over a scripted service.
#include "net/http/http_server.hpp"
#include "test/net/raw_client.hpp"
#include "test/net/scripted_service.hpp"

namespace troupe::test {

struct ServerBench {
  explicit ServerBench(ScriptedService::Script script = {}, HttpOptions options = {})
      : service(std::move(script)), server(with_free_port(std::move(options)), service, catalog, &metrics) {
    Result<std::uint16_t> started = server.start();
    if (started.ok()) port = *started;
  }
  static HttpOptions with_free_port(HttpOptions options) {
    options.port = 0;
    options.io_threads = 2;
    return options;
  }

  Metrics metrics;
  ModelCatalog catalog = tiny_catalog();
  ScriptedService service;
  HttpServer server;
  std::uint16_t port = 0;
};

inline const std::string kCompletion = R"({"prompt":"x"})";
inline const std::string kStream = R"({"prompt":"x","stream":true})";

}  // namespace troupe::test
