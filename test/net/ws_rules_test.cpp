// The rules of RFC 6455 and ours: what breaks them ends the socket with its close code, what keeps them is answered.
#include <catch2/catch.hpp>
#include <functional>

#include "test/net/ws_session_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("robustness 1.6: every violation has its close code, and ends the generations of its socket") {
  struct Row {
    const char* name;
    int code;
    std::function<void(WsClient&)> violate;
  };
  std::string bomb;  // 2 MiB of spaces, deflated: a literal and 8192 matches of 258 at distance 1, fixed Huffman
  {
    std::uint32_t bits = 0;
    unsigned count = 0;
    auto put = [&](std::uint32_t value, unsigned n) {
      for (unsigned i = 0; i < n; ++i) {
        bits |= (value >> i & 1U) << count;
        if (++count == 8) bomb += static_cast<char>(bits), bits = 0, count = 0;
      }
    };
    auto put_huffman = [&](std::uint32_t code, unsigned n) {
      for (unsigned i = n; i-- > 0;) put(code >> i & 1U, 1);
    };
    put(0b010, 3);  // not the last block, fixed codes
    put_huffman(0x30 + ' ', 8);
    for (int i = 0; i < 8192; ++i) put_huffman(0b11000101, 8), put_huffman(0, 5);
    put_huffman(0, 7);  // end of block
    put(0, 3);          // an empty stored block, whose last four bytes the extension leaves out
    while (count != 0) put(0, 1);
  }
  const std::string big(1'100'000, ' ');
  const Row rows[] = {
      {"unmasked", 1002,
       [](WsClient& c) {
         c.frame(1, "{}", {true, false, 0});
       }},
      {"reserved opcode", 1002, [](WsClient& c) { c.frame(3, "{}"); }},
      {"reserved bit", 1002,
       [](WsClient& c) {
         c.frame(1, "{}", {true, true, 2});
       }},
      {"compressed without the extension", 1002,
       [](WsClient& c) {
         c.frame(1, "{}", {true, true, 4});
       }},
      {"continuation of nothing", 1002, [](WsClient& c) { c.frame(0, "{}"); }},
      {"new message within another", 1002,
       [](WsClient& c) {
         c.frame(1, "{", {false, true, 0}), c.frame(1, "}");
       }},
      {"long ping", 1002, [](WsClient& c) { c.frame(9, std::string(126, 'x')); }},
      {"fragmented ping", 1002,
       [](WsClient& c) {
         c.frame(9, "x", {false, true, 0});
       }},
      {"bad close code", 1002, [](WsClient& c) { c.frame(8, std::string("\x03\xED", 2)); }},  // 1005
      {"bad UTF-8", 1007, [](WsClient& c) { c.frame(1, "\xC3\x28"); }},
      {"half a character", 1007, [](WsClient& c) { c.frame(1, "\xE2\x82"); }},
      {"binary", 1003, [](WsClient& c) { c.frame(2, "{}"); }},
      {"too big", 1009, [&](WsClient& c) { c.frame(1, big); }},
      {"too big in pieces", 1009,
       [&](WsClient& c) {
         c.frame(1, std::string_view(big).substr(0, 600'000), {false, true, 0});
         c.frame(0, std::string_view(big).substr(0, 600'000));
       }},
      {"endless by its header", 1009,
       [](WsClient& c) {
         c.raw(
             std::string("\x81\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                         "mask",
                         14));
       }},
      {"ping flood", 1008,
       [](WsClient& c) {
         for (int i = 0; i < 101; ++i) c.frame(9, "");
       }},
      {"empty frames", 1008,
       [](WsClient& c) {
         c.frame(1, "", {false, true, 0});
         for (int i = 0; i < 1024; ++i) c.frame(0, "", {false, true, 0});
       }},
      {"compressed nonsense", 1007,
       [](WsClient& c) {
         c.frame(1, "\xFF\xFF\xFF\xFF", {true, true, 4});
       }},
      {"bomb", 1009,
       [&](WsClient& c) {
         c.frame(1, bomb, {true, true, 4});
       }},
  };
  WsServer server;
  std::size_t submitted = 0;
  for (const Row& row : rows) {
    INFO(row.name);
    bool deflate = row.name == std::string_view("bomb") || row.name == std::string_view("compressed nonsense");
    WsClient client(server.port(), deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "");
    REQUIRE(client.is_open());
    client.text(submit("a"));
    REQUIRE(server.service.at(submitted).stream != nullptr);
    row.violate(client);
    CHECK(client.close_code() == row.code);
    CHECK(server.service.cancel_of(submitted) == CancelReason::kClientGone);
    ++submitted;
  }
  CHECK(server.soon([&] { return server.metrics.ws_sockets.value() == 0.0; }));
  CHECK(server.sockets.count() == 0);
  CHECK(server.metrics.ws_closes.value(WsClose::k1002) == 9);
  CHECK(server.metrics.ws_closes.value(WsClose::k1007) == 3);
  CHECK(server.metrics.ws_closes.value(WsClose::k1009) == 4);
  CHECK(server.metrics.ws_closes.value(WsClose::k1008) == 2);
  CHECK(server.metrics.ws_closes.total() == std::size(rows));
}

TEST_CASE("a client that breaks the rules and then stays does not keep its generations, nor its socket") {
  WsLimits limits;
  limits.close_timeout = 300ms;
  WsServer server(limits);
  WsClient client(server.port());
  client.text(submit("a"));
  REQUIRE(server.service.at(0).stream != nullptr);
  client.frame(3, "");
  CHECK(server.service.cancel_of(0) == CancelReason::kClientGone);
  CHECK(server.soon([&] { return server.sockets.count() == 0; }));
}

TEST_CASE("permessage-deflate is offered, and a compressed message is read") {
  WsServer server;
  WsClient client(server.port(), "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
  REQUIRE(client.is_open());
  CHECK(has(client.head(), "permessage-deflate"));
  const std::string ping = R"({"type":"ping"})";
  std::string stored = std::string("\0", 1) + static_cast<char>(ping.size()) + '\0' + static_cast<char>(~ping.size()) +
                       '\xFF' + ping + '\0';
  client.frame(1, stored, {true, true, 4});
  CHECK(client.next_message() == R"({"type":"pong"})");
}

TEST_CASE("a client's close is answered with its code") {
  WsServer server;
  {
    WsClient client(server.port());
    client.text(submit("a"));
    REQUIRE(server.service.at(0).stream != nullptr);
    client.frame(8, std::string("\x03\xE8"
                                "bye",
                                5));
    CHECK(client.close_code() == 1000);
  }
  CHECK(server.service.cancel_of(0) == CancelReason::kClientGone);
  CHECK(server.soon([&] { return server.metrics.ws_closes.value(WsClose::k1000) == 1; }));
}

TEST_CASE("a ping is answered with its own payload") {
  WsServer server;
  WsClient client(server.port());
  client.frame(9, "are you there");
  auto frame = client.next_frame();
  REQUIRE(frame);
  CHECK(frame->opcode == 10);
  CHECK(frame->payload == "are you there");
}

TEST_CASE("a bad opening handshake is refused with an HTTP status and an error object") {
  WsLimits limits;
  limits.allowed_origins = {"https://app.example"};
  WsServer server(limits);
  WsClient bad_key(server.port(), "", "dGhlIHNhbXBsZSBub25jZQ");
  CHECK(bad_key.head().rfind("HTTP/1.1 400", 0) == 0);
  CHECK(has(bad_key.head(), R"("param":"Sec-WebSocket-Key")"));
  WsClient elsewhere(server.port(), "Origin: https://evil.example\r\n");
  CHECK(elsewhere.head().rfind("HTTP/1.1 403", 0) == 0);
  CHECK(has(elsewhere.head(), R"("code":"permission_denied")"));
  WsClient listed(server.port(), "Origin: https://app.example\r\nSec-WebSocket-Protocol: troupe.v1\r\n");
  CHECK(listed.is_open());
  CHECK(has(listed.head(), "Sec-WebSocket-Protocol: troupe.v1\r\n"));
  CHECK(server.soon([&] { return server.metrics.http_requests.value(HttpRoute::kWebSocket, HttpStatus::k101) == 1; }));
  CHECK(server.metrics.http_requests.value(HttpRoute::kWebSocket, HttpStatus::k400) == 1);
  CHECK(server.metrics.http_requests.value(HttpRoute::kWebSocket, HttpStatus::k403) == 1);
}

TEST_CASE("an idle socket is asked with a ping and closed when there is no answer") {
  WsLimits limits;
  limits.idle_timeout = 400ms;
  WsServer server(limits);
  WsClient answers(server.port());
  for (int i = 0; i < 3; ++i) {
    auto frame = answers.next_frame();
    REQUIRE(frame);
    REQUIRE(frame->opcode == 9);
    answers.frame(10, frame->payload);
  }
  check_usable(answers);
  WsClient silent(server.port());
  auto frame = silent.next_frame();
  REQUIRE(frame);
  CHECK(frame->opcode == 9);
  CHECK_FALSE(silent.next_frame());
}
