// The client over loopback, against a server that sends what a test writes.
#include <catch2/catch.hpp>
#include <map>

#include "net/client/http_completion_client.hpp"
#include "test/net/scripted_server.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

const std::string kWhole =
    R"({"choices":[{"text":"x","finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}})";
const std::string kText = R"({"choices":[{"text":"x","finish_reason":null}]})";
const std::string kLast = R"({"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}})";

// Sends so many requests, one after the other or at once, and keeps what came of them.
struct Bench : ClientListener {
  Bench(std::uint16_t port, ClientOptions given = {}) {
    given.url.host = "127.0.0.1";
    given.url.port = port;
    client = std::move(*HttpCompletionClient::create(std::move(given)));
  }

  void on_text(std::uint32_t slot, SteadyTime now) override { texts[slot].push_back(now); }
  void on_end(std::uint32_t slot, SteadyTime, const ClientEnd& end) override {
    ends.push_back(end);
    slots.push_back(slot);
  }

  // `at_once` slots, each used until `count` requests have ended.
  void play(std::size_t count, std::uint32_t at_once = 1) {
    std::size_t sent = 0;
    std::size_t seen = 0;
    SteadyTime give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    client->run(*this, [&](SteadyTime now) -> std::optional<SteadyTime> {
      if (each_tick) each_tick();
      while (sent < count && sent < at_once) send(static_cast<std::uint32_t>(sent++));
      for (; seen < ends.size(); ++seen) {
        if (sent < count) send(slots[seen]), ++sent;
      }
      if (ends.size() == count || now > give_up) return std::nullopt;
      return now + std::chrono::milliseconds(20);
    });
    REQUIRE(ends.size() == count);
  }
  void send(std::uint32_t slot) { client->send({slot, "the sea", 5, "", ""}); }

  std::unique_ptr<HttpCompletionClient> client;
  std::function<void()> each_tick;
  std::map<std::uint32_t, std::vector<SteadyTime>> texts;
  std::vector<ClientEnd> ends;
  std::vector<std::uint32_t> slots;
};

}  // namespace

TEST_CASE("http client: a stream is read as it comes, and the connection is used again") {
  ScriptedServer server([](int, const std::string&) {
    return ScriptedBytes{
        {sse_head(), sse_chunk(kText), sse_chunk(kText), sse_chunk(kLast) + sse_chunk("[DONE]") + kLastChunk}};
  });
  Bench bench(server.port());
  bench.play(3);
  CHECK(server.connections() == 1);
  REQUIRE(bench.texts[0].size() == 6);
  CHECK(bench.texts[0][1] - bench.texts[0][0] > std::chrono::milliseconds(10));
  for (const ClientEnd& end : bench.ends) {
    CHECK(end.ending == ClientEnding::kDone);
    CHECK(end.output_tokens == 2);
  }
}

TEST_CASE("http client: slots have connections of their own") {
  ScriptedServer server([](int, const std::string&) { return ScriptedBytes{{json_answer(kWhole)}}; });
  Bench bench(server.port());
  bench.play(60, 20);
  CHECK(server.connections() == 20);
  CHECK(bench.client->open_connections() == 20);
  CHECK(bench.texts.empty());
}

TEST_CASE("http client: a server that says close gets a new connection, one that just closes too") {
  ScriptedServer polite([](int, const std::string&) {
    return ScriptedBytes{{json_answer(kWhole, "Connection: close\r\n")}, true};
  });
  Bench first(polite.port());
  first.play(3);
  CHECK(polite.connections() == 3);
  // Closes after each answer without a word: the next request is sent again on a new connection, and none fails.
  ScriptedServer rude([](int, const std::string&) { return ScriptedBytes{{json_answer(kWhole)}, true}; });
  Bench second(rude.port());
  second.play(10);
  for (const ClientEnd& end : second.ends) CHECK(end.ending == ClientEnding::kDone);
}

TEST_CASE("http client: an answer up to the end of the connection") {
  ScriptedServer server([](int, const std::string&) {
    return ScriptedBytes{
        {"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: " + kText + "\n\ndata: [DONE]\n\n"}, true};
  });
  Bench bench(server.port());
  bench.play(1);
  CHECK(bench.ends[0].ending == ClientEnding::kDone);
  CHECK(bench.texts[0].size() == 1);
}

TEST_CASE("R194 http client: every way to fail has a name") {
  struct Case {
    ScriptedBytes answer;
    ClientEnding ending;
  };
  const std::string error = R"({"error":{"message":"m","type":"t","code":"c"}})";
  const std::vector<Case> cases = {
      {{{json_answer(error, "Retry-After: 3\r\n", "429 Too Many Requests")}}, ClientEnding::kRefused},
      {{{json_answer(error, "", "500 Internal Server Error")}}, ClientEnding::kHttpError},
      {{{sse_head(), sse_chunk(kText), sse_chunk(error) + kLastChunk}}, ClientEnding::kStreamError},
      {{{sse_head(), sse_chunk(kText)}, true}, ClientEnding::kBroken},
      {{{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"}, true}, ClientEnding::kBroken},
      {{{}, true}, ClientEnding::kBroken},
      {{{"SSH-2.0-OpenSSH\r\n\r\n"}, true}, ClientEnding::kMalformed},
      {{{"HTTP/1.1 200 OK\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n"}, true}, ClientEnding::kMalformed},
      {{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}, true}, ClientEnding::kMalformed},
      {{{"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{"}, true}, ClientEnding::kMalformed},
      {{{json_answer("{oops")}}, ClientEnding::kMalformed},
  };
  for (const Case& one : cases) {
    ScriptedServer server([&](int, const std::string&) { return one.answer; });
    Bench bench(server.port());
    bench.play(1);
    INFO((one.answer.parts.empty() ? "nothing" : one.answer.parts[0].substr(0, 60)) << ": " << bench.ends[0].error);
    CHECK(bench.ends[0].ending == one.ending);
    if (one.ending == ClientEnding::kRefused) CHECK(bench.ends[0].retry_after_s == 3.0);
  }
}

TEST_CASE("http client: nobody listens, nobody answers, nobody waits") {
  std::uint16_t closed_port = 0;
  {
    closed_port = ScriptedServer([](int, const std::string&) { return ScriptedBytes{}; }).port();
  }
  Bench refused(closed_port);
  refused.play(1);
  CHECK(refused.ends[0].ending == ClientEnding::kConnect);
  CHECK(refused.ends[0].error == "Connection refused");

  ScriptedServer silent([](int, const std::string&) { return ScriptedBytes{{}, false, 10'000}; });
  ClientOptions options;
  options.timeout = std::chrono::milliseconds(100);
  Bench impatient(silent.port(), options);
  impatient.play(1);
  CHECK(impatient.ends[0].ending == ClientEnding::kTimeout);

  Bench cancelled(silent.port());
  cancelled.each_tick = [&, ticks = 0]() mutable {
    if (++ticks == 3) cancelled.client->cancel(0);
  };
  cancelled.play(1);
  CHECK(cancelled.ends[0].ending == ClientEnding::kCancelled);
}

TEST_CASE("R191 http client: a server that demands a model is asked for its name once") {
  auto script = [](int, const std::string& request) {
    if (request.find("GET /v1/models ") == 0) return ScriptedBytes{{json_answer(R"({"data":[{"id":"the-model"}]})")}};
    if (request.find(R"("model":"the-model")") != std::string::npos) return ScriptedBytes{{json_answer(kWhole)}};
    return ScriptedBytes{{json_answer(R"({"error":{"message":"missing","param":"model"}})", "", "400 Bad Request")}};
  };
  ScriptedServer server(script);
  Bench bench(server.port());
  bench.play(30, 10);
  for (const ClientEnd& end : bench.ends) CHECK(end.ending == ClientEnding::kDone);
  int lookups = 0;
  for (const std::string& request : server.requests()) lookups += request.find("GET ") == 0 ? 1 : 0;
  CHECK(lookups == 1);

  ScriptedServer without([](int, const std::string&) {
    return ScriptedBytes{{json_answer(R"({"error":{"message":"no model","code":"c"}})", "", "404 Not Found")}};
  });
  Bench in_vain(without.port());
  in_vain.play(3);
  for (const ClientEnd& end : in_vain.ends) CHECK(end.ending == ClientEnding::kHttpError);
  CHECK(without.requests().size() == 4);
}
