// Generations over one WebSocket: shared, cancelled, refused, read slowly, drained.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "test/net/ws_session_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("D9: three generations share a WebSocket and each gets its own tokens") {
  WsServer server;
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
  WsServer server;
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
  WsServer server;
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
  WsServer server;
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
  WsServer server;
  WsClient client(server.port());
  client.text(submit("a"));
  client.text(submit("a"));
  std::string message = client.next_message();
  CHECK(has(message, type("error")));
  CHECK_FALSE(has(message, id("a")));
  CHECK(server.service.count() == 1);
  CHECK(server.service.at(0).cancels.empty());
}

TEST_CASE("what cannot be sent token by token is refused by name over WebSocket") {
  WsServer server;
  WsClient client(server.port());
  for (const char* fields : {R"("echo":true)", R"("prompt_logprobs":1)", R"("best_of":2)"}) {
    CAPTURE(fields);
    client.text(R"({"type":"submit","id":"a","request":{"model":"tiny","prompt":"x",)" + std::string(fields) + "}}");
    std::string message = client.next_message();
    CHECK(has(message, R"("code":"unsupported_parameter")"));
    CHECK(has(message, std::string(fields).substr(1, 4)));
  }
  CHECK(server.service.count() == 0);
}

TEST_CASE("one generation too many, and one choice too many, are refused with a time to come back") {
  WsLimits limits;
  limits.generations_max = 2;
  limits.choices_max = 4;
  WsServer server(limits);
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
  CHECK(has(message, "2 generations"));
  CHECK(server.service.count() == 4);
}

TEST_CASE("a refusal by the service is an error of that generation") {
  WsServer server;
  WsClient client(server.port());
  client.text(submit("a"));
  server.service.at(0).stream->fail({ErrorCode::kQueueFull, "no room", "", 5});
  std::string message = client.next_message();
  CHECK(has(message, type("error")));
  CHECK(has(message, id("a")));
  CHECK(has(message, R"("retry_after_s":5)"));
  check_usable(client);
}

TEST_CASE("a client that drops mid-generation has all its generations cancelled") {
  WsServer server;
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

TEST_CASE("contract 5: a slow reader gets everything in fewer, larger messages, and nobody waits for it") {
  WsServer server;
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
  WsServer server(limits);
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

TEST_CASE("D17: while memory is scarce a WebSocket whose reader takes nothing is cut off long before the stall limit") {
  auto memory = std::make_shared<MemoryGovernor>(100U << 20U);
  WsServer server({}, memory);
  WsClient client(server.port());
  client.shrink_receive_buffer();
  client.text(submit("a"));
  auto stream = server.service.at(0).stream;
  stream->accept(1, 0, "class", false);
  for (int i = 0; i < 16; ++i) append(*stream, i, std::string(1U << 20U, 'w'));
  REQUIRE(memory->try_take(MemoryUse::kRequests, 80U << 20U));
  CHECK(server.service.cancel_of(0) == CancelReason::kWriteStall);  // the stall limit is 30 s
  CHECK(memory->steps(MemoryStep::kSlowReader) == 1);
}

TEST_CASE("D17: a message there is no memory for closes its WebSocket with 1013, and what it took comes back") {
  auto memory = std::make_shared<MemoryGovernor>(1U << 20U);
  WsServer server({}, memory);
  REQUIRE(memory->try_take(MemoryUse::kInput, 500U << 10U));
  WsClient client(server.port());
  check_usable(client);
  client.text(std::string(400U << 10U, ' '));
  CHECK(client.close_code() == 1013);
  CHECK(memory->steps(MemoryStep::kRefusal) == 1);
  CHECK(server.soon([&] { return memory->used() == 500U << 10U; }));
}

TEST_CASE("a flood of messages whose answers are not read is not read on, so no queue grows") {
  WsLimits limits;
  limits.replies_max = 4;
  limits.write_stall = 300ms;
  WsLimits patient = limits;
  patient.write_stall = 60s;
  // Each is answered with some 200 bytes; the sockets hold a few MB of answers, then reading stops, then the stall
  // is noticed. Without the bound everything would be read, and its answers kept.
  std::string burst;
  for (int i = 0; i < 1000; ++i) burst += std::string("\x81\x82\0\0\0\0[]", 8);
  constexpr std::size_t kMoreThanSocketsHold = 3U << 20;
  {
    WsServer server(patient);
    WsClient client(server.port());
    client.shrink_receive_buffer();
    check_usable(client);
    CHECK(client.flood(burst, kMoreThanSocketsHold) < kMoreThanSocketsHold);
  }
  WsServer server(limits);
  WsClient client(server.port());
  client.shrink_receive_buffer();
  check_usable(client);
  client.flood(burst, kMoreThanSocketsHold);
  CHECK(server.soon([&] { return server.sockets.count() == 0; }));
}

TEST_CASE("a draining server finishes what runs, refuses what is new and closes with 1001") {
  WsServer server;
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
  WsServer server;
  WsClient client(server.port());
  client.text(submit("a"));
  REQUIRE(server.service.at(0).stream != nullptr);
  server.sockets.end_all(WsSockets::Ending::kNow);
  CHECK(server.service.cancel_of(0) == CancelReason::kShutdown);
  CHECK(client.close_code() == 1001);
}
