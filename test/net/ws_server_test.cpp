// The way from an HTTP request to a WebSocket, through the whole server.
#include <catch2/catch.hpp>
#include <thread>

#include "test/net/server_bench.hpp"
#include "test/net/ws_client.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {
const std::string kSubmit = R"({"type":"submit","id":"a","request":{"prompt":"x"}})";
}

TEST_CASE("an upgrade at /v1/ws becomes a WebSocket that answers") {
  ServerBench bench(answer_ok);
  WsClient client(bench.port, "Origin: https://anywhere.example\r\n");  // allowed as CORS allows it
  REQUIRE(client.is_open());
  client.text(kSubmit);
  std::string text;
  std::string message;
  while (!has(message = client.next_message(), R"("type":"finished")")) {
    REQUIRE_FALSE(message.empty());
    auto at = message.find(R"("text":")");
    if (at != std::string::npos) text += message.substr(at + 8, message.find('"', at + 8) - at - 8);
  }
  CHECK(text == "ok");
  CHECK(bench.server.connections() == 1);
  CHECK(bench.service.request(0).external_id.rfind("ws-", 0) == 0);
}

TEST_CASE("a WebSocket needs the API key the rest needs") {
  HttpOptions options;
  options.api_keys = {"secret"};
  ServerBench bench(answer_ok, options);
  WsClient nobody(bench.port);
  CHECK(nobody.head().rfind("HTTP/1.1 401", 0) == 0);
  WsClient somebody(bench.port, "Authorization: Bearer secret\r\n");
  REQUIRE(somebody.is_open());
  somebody.text(kSubmit);
  CHECK(has(somebody.next_message(), R"("type":"accepted")"));
  CHECK_FALSE(bench.service.request(0).tenant.empty());
}

TEST_CASE("pages of other origins are kept out when CORS keeps them out") {
  HttpOptions options;
  options.cors_origin = "";
  ServerBench bench(answer_ok, options);
  WsClient elsewhere(bench.port, "Origin: https://anywhere.example\r\n");
  CHECK(elsewhere.head().rfind("HTTP/1.1 403", 0) == 0);
  WsClient own(bench.port, "Origin: http://127.0.0.1\r\n");
  CHECK(own.is_open());
}

TEST_CASE("a server that stops closes its WebSockets and cancels what they run") {
  ServerBench bench;
  WsClient client(bench.port);
  client.text(kSubmit);
  REQUIRE(bench.service.stream(0) != nullptr);
  std::thread stopping([&] { bench.server.stop(); });
  CHECK(client.close_code() == 1001);
  client.drop();
  stopping.join();
  CHECK(bench.service.cancel_of(0) == CancelReason::kShutdown);
  CHECK(bench.server.connections() == 0);
}
