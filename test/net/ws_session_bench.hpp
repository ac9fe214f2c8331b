#pragma once
// A WebSocket server behind which the test itself answers, and the words its clients use.
#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include "test/net/ws_client.hpp"
#include "test/net/ws_listener.hpp"
#include "test/net/ws_manual_service.hpp"

namespace troupe::test {

struct WsServer {
  explicit WsServer(WsLimits limits = {}, MemoryGovernorPtr memory = nullptr)
      : listener(service, catalog, metrics, sockets, std::move(limits), std::move(memory)) {}
  ManualService service;
  ModelCatalog catalog = catalog_of_one();
  Metrics metrics;
  WsSockets sockets;
  WsListener listener;  // goes first

  std::uint16_t port() const { return listener.port(); }
  // Waits for the session's own thread; 20 s at most.
  template <class Condition>
  bool soon(Condition condition) {
    for (int i = 0; i < 4000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return condition();
  }
};

inline std::string submit(std::string_view id, std::string_view more = "") {
  return R"({"type":"submit","id":")" + std::string(id) +
         R"(","request":{"model":"tiny","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}}";
}

inline std::string type(std::string_view name) { return R"("type":")" + std::string(name) + '"'; }
inline std::string id(std::string_view name) { return R"("id":")" + std::string(name) + '"'; }

// The value of a string member, as far as no escapes are in it.
inline std::string member(const std::string& message, const std::string& key) {
  auto begin = message.find('"' + key + "\":\"");
  if (begin == std::string::npos) return {};
  begin += key.size() + 4;
  return message.substr(begin, message.find('"', begin) - begin);
}

// The socket answers a message: it is in working order.
inline void check_usable(WsClient& client) {
  client.text(R"({"type":"ping"})");
  CHECK(client.next_message() == R"({"type":"pong"})");
}

}  // namespace troupe::test
