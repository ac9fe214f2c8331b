#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "test/net/ws_client.hpp"
#include "test/net/ws_listener.hpp"
#include "test/net/ws_manual_service.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct Server {
  explicit Server(WsLimits limits = {}) : listener(service, catalog, metrics, sockets, std::move(limits)) {}
  ManualService service;
  ModelCatalog catalog = catalog_of_one();
  Metrics metrics;
  WsSockets sockets;
  WsListener listener;  // goes first

  std::uint16_t port() const { return listener.port(); }
  // Waits for the session's own thread; 20 s at most.
  template <class Condition>
  bool soon(Condition condition) {
    for (int i = 0; i < 4000 && !condition(); ++i) std::this_thread::sleep_for(5ms);
    return condition();
  }
};

std::string submit(std::string_view id, std::string_view more = "") {
  return R"({"type":"submit","id":")" + std::string(id) +
         R"(","request":{"model":"tiny","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}}";
}

std::string type(std::string_view name) { return R"("type":")" + std::string(name) + '"'; }
std::string id(std::string_view name) { return R"("id":")" + std::string(name) + '"'; }

// The value of a string member, as far as no escapes are in it.
std::string member(const std::string& message, const std::string& key) {
  auto begin = message.find('"' + key + "\":\"");
  if (begin == std::string::npos) return {};
  begin += key.size() + 4;
  return message.substr(begin, message.find('"', begin) - begin);
}

// The socket answers a message: it is in working order.
void check_usable(WsClient& client) {
  client.text(R"({"type":"ping"})");
  CHECK(client.next_message() == R"({"type":"pong"})");
}

}  // namespace

TEST_CASE("D9: three generations share a WebSocket and each gets its own tokens") {
  Server server;
  WsClient client(server.port());
  REQUIRE(client.is_open());
  std::vector<std::shared_ptr<ResponseStream>> streams;
  for (const char* name : {"a", "b", "c"}) client.text(submit(name));
  for (std::size_t i = 0; i < 3; ++i) streams.push_back(server.service.at(i).stream);
  for (auto& stream : streams) stream->accept(3, 0, "class", false);
  for (int round = 0; round < 5; ++round) {
    for (std::size_t i = 0; i < 3; ++i) append(*streams[i], round, std::string(1, static_cast<char>('x' + i)));
  }
  for (auto& stream : streams) stream->finish(FinishReason::kStop, Usage{3, 5, 0}, {});

  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<std::string>> types;
  for (int finished = 0; finished < 3;) {
    std::string message = client.next_message();
    REQUIRE_FALSE(message.empty());
    std::string name = member(message, "id");
    std::string kind = member(message, "type");
    if (types[name].empty() || types[name].back() != kind) types[name].push_back(kind);
    texts[name] += member(message, "text");
    finished += kind == "finished" ? 1 : 0;
    if (kind == "finished") CHECK(has(message, R"("completion_tokens":5)"));
  }
  for (const char* name : {"a", "b", "c"}) {
    CHECK(types[name] == std::vector<std::string>{"accepted", "tokens", "finished"});
    CHECK(texts[name] == std::string(5, static_cast<char>('x' + (name[0] - 'a'))));
  }
  CHECK(server.service.at(0).request.tenant == "somebody");
  CHECK(server.service.at(0).request.external_id == "ws-test-1");
  check_usable(client);
}

TEST_CASE("choices of one generation are told apart") {
  Server server;
  WsClient client(server.port());
  client.text(submit("a", R"(,"n":2)"));
  auto first = server.service.at(0).stream;
  auto second = server.service.at(1).stream;
  first->accept(3, 0, "class", false);
  append(*second, 1, "two");
  second->finish(FinishReason::kLength, Usage{3, 1, 0}, {});
  append(*first, 1, "one");
  first->finish(FinishReason::kStop, Usage{3, 1, 0}, {});
  std::set<std::string> seen;
  std::string message;
  while (!has(message = client.next_message(), type("finished"))) {
    REQUIRE_FALSE(message.empty());
    if (has(message, R"("choice":0)")) seen.insert("0 " + member(message, "text"));
    if (has(message, R"("choice":1)")) seen.insert("1 " + member(message, "text"));
  }
  CHECK(seen.count("0 one") + seen.count("1 two") == 2);
  CHECK(has(message, R"("finish_reason":"stop")"));
}

TEST_CASE("a cancel ends its generation and no other") {
  Server server;
  WsClient client(server.port());
  client.text(submit("a"));
  client.text(submit("b"));
  auto kept = server.service.at(1).stream;
  client.text(R"({"type":"cancel","id":"a"})");
  CHECK(server.service.cancel_of(0) == CancelReason::kClientAsked);
  std::string message = client.next_message();
  CHECK(has(message, type("cancelled")));
  CHECK(has(message, id("a")));
  kept->accept(1, 0, "class", false);
  append(*kept, 1, "still here");
  kept->finish(FinishReason::kStop, Usage{1, 1, 0}, {});
  std::string text;
  while (!has(message = client.next_message(), type("finished"))) {
    REQUIRE_FALSE(message.empty());
    text += member(message, "text");
  }
  CHECK(text == "still here");
  client.text(R"({"type":"cancel","id":"a"})");
  message = client.next_message();
  CHECK(has(message, type("error")));
  CHECK(has(message, R"("code":"not_found")"));
  client.text(submit("a"));  // the name is free again
  CHECK(server.service.at(2).stream != nullptr);
}

TEST_CASE("errors are messages on a WebSocket that stays usable") {
  Server server;
  WsClient client(server.port());
  const std::pair<std::string, const char*> rows[] = {
      {"not JSON", "\"code\":null"},
      {"", "\"code\":null"},
      {R"({"type":"dance"})", R"("param":"type")"},
      {R"({"type":"cancel"})", R"("param":"id")"},
      {submit("a", R"(,"temperature":9)"), R"("param":"temperature")"},
      {R"({"type":"submit","id":"a","request":{"model":"nobody","prompt":"x"}})", R"("code":"model_not_found")"},
      {std::string(500'000, '['), "\"code\":null"},
  };
  for (const auto& [text, expected] : rows) {
    client.text(text);
    std::string message = client.next_message();
    INFO(text.substr(0, 80) << " -> " << message);
    CHECK(has(message, type("error")));
    CHECK(has(message, expected));
  }
  CHECK(server.service.count() == 0);
  check_usable(client);
}

TEST_CASE("an id that is in use is refused without touching the generation it names") {
  Server server;
  WsClient client(server.port());
  client.text(submit("a"));
  client.text(submit("a"));
  std::string message = client.next_message();
  CHECK(has(message, type("error")));
  CHECK_FALSE(has(message, id("a")));
  CHECK(server.service.count() == 1);
  CHECK(server.service.at(0).cancels.empty());
}

TEST_CASE("one generation too many, and one choice too many, are refused with a time to come back") {
  WsLimits limits;
  limits.generations_max = 2;
  limits.choices_max = 4;
  Server server(limits);
  WsClient client(server.port());
  client.text(submit("a", R"(,"n":3)"));
  client.text(submit("b", R"(,"n":2)"));
  std::string message = client.next_message();
  CHECK(has(message, id("b")));
  CHECK(has(message, R"("retry_after_s":3)"));
  client.text(submit("c"));
  client.text(submit("d"));
  message = client.next_message();
  CHECK(has(message, id("d")));
  CHECK(has(message, R"("code":"queue_full")"));
  CHECK(server.service.count() == 4);
}

TEST_CASE("a refusal by the service is an error of that generation") {
  Server server;
  WsClient client(server.port());
  client.text(submit("a"));
  server.service.at(0).stream->fail({ErrorCode::kQueueFull, "no room", "", 5});
  std::string message = client.next_message();
  CHECK(has(message, type("error")));
  CHECK(has(message, id("a")));
  CHECK(has(message, R"("retry_after_s":5)"));
  check_usable(client);
}

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
      {"bomb", 1009,
       [&](WsClient& c) {
         c.frame(1, bomb, {true, true, 4});
       }},
  };
  Server server;
  std::size_t submitted = 0;
  for (const Row& row : rows) {
    INFO(row.name);
    bool deflate = std::string_view(row.name) == "bomb";
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
  CHECK(server.metrics.ws_closes.value(WsClose::k1009) == 4);
  CHECK(server.metrics.ws_closes.value(WsClose::k1008) == 2);
  CHECK(server.metrics.ws_closes.total() == std::size(rows));
}

TEST_CASE("a client that breaks the rules and then stays does not keep its generations, nor its socket") {
  WsLimits limits;
  limits.close_timeout = 300ms;
  Server server(limits);
  WsClient client(server.port());
  client.text(submit("a"));
  REQUIRE(server.service.at(0).stream != nullptr);
  client.frame(3, "");
  CHECK(server.service.cancel_of(0) == CancelReason::kClientGone);
  CHECK(server.soon([&] { return server.sockets.count() == 0; }));
}

TEST_CASE("permessage-deflate is offered, and a compressed message is read") {
  Server server;
  WsClient client(server.port(), "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
  REQUIRE(client.is_open());
  CHECK(has(client.head(), "permessage-deflate"));
  const std::string ping = R"({"type":"ping"})";
  std::string stored = std::string("\0", 1) + static_cast<char>(ping.size()) + '\0' + static_cast<char>(~ping.size()) +
                       '\xFF' + ping + '\0';
  client.frame(1, stored, {true, true, 4});
  CHECK(client.next_message() == R"({"type":"pong"})");
}

TEST_CASE("a client that drops mid-generation has all its generations cancelled") {
  Server server;
  {
    WsClient client(server.port());
    client.text(submit("a"));
    client.text(submit("b", R"(,"n":2)"));
    server.service.at(0).stream->accept(1, 0, "class", false);
    append(*server.service.at(0).stream, 1, "x");
    CHECK(has(client.next_message(), type("accepted")));
    REQUIRE(server.service.at(2).stream != nullptr);
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(server.service.cancel_of(i) == CancelReason::kClientGone);
  CHECK(server.soon([&] { return server.metrics.ws_sockets.value() == 0.0; }));
}

TEST_CASE("a client's close is answered with its code") {
  Server server;
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
  Server server;
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
  Server server(limits);
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

TEST_CASE("contract 5: a slow reader gets everything in fewer, larger messages, and nobody waits for it") {
  Server server;
  WsClient client(server.port());
  client.text(submit("a"));
  auto stream = server.service.at(0).stream;
  stream->accept(1, 0, "class", false);
  constexpr int kTokens = 5000;
  const std::string word(4000, 'w');
  for (int i = 0; i < kTokens; ++i) append(*stream, i, word);  // 20 MB, more than the sockets hold
  stream->finish(FinishReason::kStop, Usage{1, kTokens, 0}, {});
  std::size_t text = 0;
  int messages = 0;
  std::string message;
  while (!has(message = client.next_message(), type("finished"))) {
    REQUIRE_FALSE(message.empty());
    text += member(message, "text").size();
    ++messages;
  }
  CHECK(text == kTokens * word.size());
  CHECK(messages < kTokens / 2);
}

TEST_CASE("a reader that reads nothing at all is cancelled and its socket closed") {
  WsLimits limits;
  limits.write_stall = 200ms;
  Server server(limits);
  WsClient client(server.port());
  client.shrink_receive_buffer();
  client.text(submit("a"));
  auto stream = server.service.at(0).stream;
  stream->accept(1, 0, "class", false);
  const std::string word(1U << 20U, 'w');
  for (int i = 0; i < 16; ++i) append(*stream, i, word);
  CHECK(server.service.cancel_of(0) == CancelReason::kWriteStall);
  CHECK(server.soon([&] { return server.sockets.count() == 0; }));
}

TEST_CASE("a flood of messages whose answers are not read is not read on, so no queue grows") {
  WsLimits limits;
  limits.replies_max = 4;
  limits.write_stall = 300ms;
  Server server(limits);
  WsClient client(server.port());
  client.shrink_receive_buffer();
  check_usable(client);
  // Each is answered with some 200 bytes; the sockets hold a few MB of answers, then reading stops, then the stall
  // is noticed. Without the bound this loop would fill the server's memory instead.
  std::string burst;
  for (int i = 0; i < 1000; ++i) burst += std::string("\x81\x82\0\0\0\0[]", 8);
  for (int i = 0; i < 200 && server.sockets.count() > 0; ++i) client.raw(burst);
  CHECK(server.soon([&] { return server.sockets.count() == 0; }));
}

TEST_CASE("an idle socket is asked with a ping and closed when there is no answer") {
  WsLimits limits;
  limits.idle_timeout = 400ms;
  Server server(limits);
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

TEST_CASE("a draining server finishes what runs, refuses what is new and closes with 1001") {
  Server server;
  WsClient client(server.port());
  WsClient idle(server.port());
  check_usable(idle);
  client.text(submit("a"));
  auto stream = server.service.at(0).stream;
  server.sockets.end_all(WsSockets::Ending::kDrain);
  CHECK(idle.close_code() == 1001);
  client.text(submit("b"));
  CHECK(has(client.next_message(), R"("code":"shutting_down")"));
  stream->accept(1, 0, "class", false);
  append(*stream, 1, "x");
  stream->finish(FinishReason::kStop, Usage{1, 1, 0}, {});
  std::string message;
  while (!has(message = client.next_message(), type("finished"))) REQUIRE_FALSE(message.empty());
  CHECK(client.close_code() == 1001);
  WsClient late(server.port());
  CHECK(late.close_code() == 1001);
}

TEST_CASE("a server that must end now cancels what runs") {
  Server server;
  WsClient client(server.port());
  client.text(submit("a"));
  REQUIRE(server.service.at(0).stream != nullptr);
  server.sockets.end_all(WsSockets::Ending::kNow);
  CHECK(server.service.cancel_of(0) == CancelReason::kShutdown);
  CHECK(client.close_code() == 1001);
}
