// The server over real sockets: what a well-behaved client sees.
#include <catch2/catch.hpp>
#include <thread>

#include "test/net/server_bench.hpp"

using namespace troupe;
using namespace troupe::test;

TEST_CASE("http: requests follow each other on a connection, a body of any framing") {
  ServerBench bench(answer_ok);
  RawClient client(bench.port);
  for (int i = 0; i < 3; ++i) {
    client.send(post("/v1/completions", kCompletion));
    RawResponse response = client.receive();
    CHECK(response.status == 200);
    CHECK(response.fields["content-type"] == "application/json");
    CHECK(response.body.find("\"text\":\"ok\"") != std::string::npos);
  }
  client.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (char c : kCompletion) client.send(std::string("1;ext=1\r\n") + c + "\r\n");
  client.send("0\r\nTrailer: x\r\n\r\n");
  CHECK(client.receive().status == 200);
  client.send("GET http://localhost/health HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(client.receive().status == 200);
  CHECK(bench.server.connections() == 1);
  CHECK(bench.metrics.connections_accepted.value() == 1);
  CHECK(bench.metrics.http_requests.value(HttpRoute::kCompletions, HttpStatus::k200) == 4);
}

TEST_CASE("http: pipelined requests are answered in order") {
  ServerBench bench;
  RawClient client(bench.port);
  client.send(post("/v1/completions", kCompletion) + get("/health") + post("/v1/completions", kCompletion) +
              get("/v1/models/none"));
  auto first = bench.service.stream(0);
  REQUIRE(first);
  CHECK(bench.service.count() == 1);  // one at a time
  answer_ok({}, *first);
  CHECK(client.receive().body.find("\"ok\"") != std::string::npos);
  CHECK(client.receive().body == R"({"status":"ok"})");
  answer_ok({}, *bench.service.stream(1));
  CHECK(client.receive().status == 200);
  CHECK(client.receive().status == 404);
}

TEST_CASE("http: HEAD has the length without the body, OPTIONS neither") {
  ServerBench bench;
  RawClient client(bench.port);
  client.send("HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n" + get("/health"));
  RawResponse head = client.receive(true);
  CHECK(head.status == 200);
  CHECK(head.fields["content-length"] == "15");
  CHECK(client.receive().body == R"({"status":"ok"})");
  client.send("OPTIONS /v1/completions HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n");
  RawResponse options = client.receive();
  CHECK(options.status == 204);
  CHECK(options.fields["allow"] == "POST, OPTIONS");
  CHECK(options.fields["access-control-allow-origin"] == "*");
  CHECK(options.fields.count("content-length") == 0);
  client.send(get("/v1/completions"));
  RawResponse wrong = client.receive();
  CHECK(wrong.status == 405);
  CHECK(wrong.fields["allow"] == "POST, OPTIONS");
}

TEST_CASE("http: Connection: close and HTTP/1.0 end the connection, HTTP/1.0 with keep-alive does not") {
  ServerBench bench(answer_ok);
  {
    RawClient client(bench.port);
    client.send(get("/health", "Connection: close\r\n"));
    RawResponse response = client.receive();
    CHECK(response.fields["connection"] == "close");
    CHECK(client.is_closed());
  }
  {
    RawClient client(bench.port);
    client.send("GET /health HTTP/1.0\r\n\r\n");
    CHECK(client.receive().status == 200);
    CHECK(client.is_closed());
  }
  RawClient client(bench.port);
  client.send("GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(client.receive().fields["connection"] == "keep-alive");
  client.send("POST /v1/completions HTTP/1.0\r\nContent-Length: " + std::to_string(kStream.size()) + "\r\n\r\n" +
              kStream);
  RawResponse stream = client.receive();  // not chunked: up to the end of the connection
  CHECK(stream.fields.count("transfer-encoding") == 0);
  CHECK(stream.events().back() == "[DONE]");
}

TEST_CASE("http: Expect: 100-continue is answered before the body, or refused without it") {
  ServerBench bench(answer_ok);
  RawClient client(bench.port);
  client.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n");
  CHECK(client.receive().status == 100);
  client.send(kCompletion);
  CHECK(client.receive().status == 200);
  client.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n");
  CHECK(client.receive().status == 413);
  CHECK(client.is_closed());
  RawClient other(bench.port);
  other.send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 14\r\n\r\n");
  CHECK(other.receive().status == 417);
}

TEST_CASE("http: a stream comes as it is made, and the connection stays usable") {
  ServerBench bench;
  RawClient client(bench.port);
  client.send(post("/v1/completions", kStream));
  auto stream = bench.service.stream(0);
  REQUIRE(stream);
  stream->accept(3, 0, "class-1", false);
  std::string head = client.receive_until("\r\n\r\n");
  CHECK(head.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(head.find("text/event-stream") != std::string::npos);
  CHECK(head.find("X-Accel-Buffering: no") != std::string::npos);
  append_token(*stream, 'a', "first");
  CHECK(client.receive_until("\n\n\r\n").find("\"text\":\"first\"") != std::string::npos);
  append_token(*stream, 'b', "second");
  CHECK(client.receive_until("\n\n\r\n").find("\"text\":\"second\"") != std::string::npos);
  stream->finish(FinishReason::kStop, {3, 2, 0}, {});
  CHECK(client.receive_until("0\r\n\r\n").find("data: [DONE]") != std::string::npos);
  client.send(get("/health"));
  CHECK(client.receive().status == 200);
}

TEST_CASE("http: three choices of a chat stream are told apart by their index") {
  ServerBench bench([](const Request& request, ResponseStream& stream) {
    stream.accept(3, 0, "class-1", false);
    append_token(stream, 'a', "choice " + std::to_string(request.choice));
    stream.finish(FinishReason::kStop, {3, 1, 0}, {});
  });
  RawClient client(bench.port);
  client.send(post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"x"}],"n":3,"stream":true})"));
  RawResponse response = client.receive();
  REQUIRE(response.status == 200);
  std::vector<std::string> events = response.events();
  REQUIRE(events.size() == 7);
  for (int i = 0; i < 3; ++i) {
    std::string number = std::to_string(i);
    CHECK(events[static_cast<std::size_t>(i)].find("\"index\":" + number + ",\"delta\":{\"role\":\"assistant\"") !=
          std::string::npos);
    CHECK(events[static_cast<std::size_t>(3 + i)].find("\"index\":" + number + ",\"delta\":{\"content\":\"choice " +
                                                       number) != std::string::npos);
  }
  CHECK(events[6] == "[DONE]");
}

TEST_CASE("http: silence in a stream is filled with comments") {
  HttpOptions options;
  options.limits.sse_keep_alive = std::chrono::milliseconds(20);
  ServerBench bench({}, options);
  RawClient client(bench.port);
  client.send(post("/v1/completions", kStream));
  auto stream = bench.service.stream(0);
  REQUIRE(stream);
  stream->accept(3, 0, "class-1", false);
  CHECK(client.receive_until(": keep-alive\n\n").find("200 OK") != std::string::npos);
  CHECK_FALSE(client.receive_until(": keep-alive\n\n").empty());
  answer_ok({}, *stream);
  CHECK(client.receive_until("0\r\n\r\n").find("[DONE]") != std::string::npos);
}

TEST_CASE("http: a refusal by the batcher is a real status, for streams too") {
  ServerBench bench([](const Request&, ResponseStream& stream) {
    stream.fail({ErrorCode::kQueueFull, "full", "", 0});
  });
  RawClient client(bench.port);
  for (const std::string& body : {kStream, kCompletion}) {
    client.send(post("/v1/completions", body));
    RawResponse response = client.receive();
    CHECK(response.status == 429);
    CHECK(response.fields["retry-after"] == "7");
    CHECK(response.fields["content-type"] == "application/json");
  }
}

TEST_CASE("http: many tokens arrive complete and in order whatever the writes look like") {
  constexpr int kTokens = 5000;
  ServerBench bench;
  RawClient client(bench.port);
  client.send(post("/v1/completions", kStream));
  auto stream = bench.service.stream(0);
  REQUIRE(stream);
  std::thread writer([&] {
    stream->accept(3, 0, "class-1", false);
    for (int i = 0; i < kTokens; ++i) append_token(*stream, 'a', std::to_string(i) + " ");
    stream->finish(FinishReason::kLength, {3, kTokens, 0}, {});
  });
  RawResponse response = client.receive();
  writer.join();
  std::string text;
  for (const std::string& event : response.events()) {
    std::size_t at = event.find("\"text\":\"");
    if (at == std::string::npos) continue;
    at += 8;
    text += event.substr(at, event.find('"', at) - at);
  }
  std::string expected;
  for (int i = 0; i < kTokens; ++i) expected += std::to_string(i) + " ";
  CHECK(text == expected);
}

TEST_CASE("R097: answers of many clients at a time are never mixed up") {
  ServerBench bench([](const Request& request, ResponseStream& stream) {
    stream.accept(3, 0, "class-1", false);
    append_token(stream, 'a', "<" + std::get<std::string>(request.prompt) + ">");
    stream.finish(FinishReason::kStop, {3, 1, 0}, {});
  });
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      RawClient client(bench.port);
      for (int i = 0; i < 50; ++i) {
        std::string name = std::to_string(c) + "/" + std::to_string(i);
        client.send(post("/v1/completions", R"({"prompt":")" + name + (i % 2 == 0 ? R"(","stream":true})" : "\"}"),
                         "x-request-id: " + name + "\r\n"));
        RawResponse response = client.receive();
        if (response.body.find("<" + name + ">") == std::string::npos || response.fields["x-request-id"] != name)
          ++wrong;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(wrong == 0);
  CHECK(bench.service.count() == 400);
}

TEST_CASE("http: draining lets answers finish, closes idle connections and takes no new ones") {
  ServerBench bench;
  RawClient idle(bench.port);
  RawClient busy(bench.port);
  idle.send(get("/health"));
  CHECK(idle.receive().status == 200);
  busy.send(post("/v1/completions", kCompletion));
  auto stream = bench.service.stream(0);
  REQUIRE(stream);
  bench.server.stop_accepting();
  CHECK(idle.is_closed());
  RawClient late(bench.port);
  late.send(get("/health"));
  CHECK(late.receive().status == 0);
  CHECK_FALSE(bench.server.wait_until_idle(std::chrono::milliseconds(1)));
  answer_ok({}, *stream);
  RawResponse last = busy.receive();
  CHECK(last.status == 200);
  CHECK(last.fields["connection"] == "close");
  busy.close();
  CHECK(bench.server.wait_until_idle(std::chrono::seconds(20)));
}

TEST_CASE("http: stopping cancels what runs") {
  ServerBench bench;
  RawClient waiting(bench.port);
  RawClient streaming(bench.port);
  waiting.send(post("/v1/completions", kCompletion));
  REQUIRE(bench.service.stream(0));
  streaming.send(post("/v1/completions", kStream));
  auto stream = bench.service.stream(1);
  REQUIRE(stream);
  stream->accept(3, 0, "class-1", false);
  streaming.receive_until("\r\n\r\n");
  bench.server.stop();
  CHECK(bench.service.cancel_of(0) == CancelReason::kShutdown);
  CHECK(bench.service.cancel_of(1) == CancelReason::kShutdown);
  CHECK(bench.server.connections() == 0);
}

TEST_CASE("http: a port that is taken and an address that is none are clear errors") {
  ServerBench bench;
  HttpOptions options;
  options.port = bench.port;
  HttpServer second(options, bench.service, bench.catalog, nullptr);
  Result<std::uint16_t> started = second.start();
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().code == ErrorCode::kConfiguration);
  CHECK(started.error().message ==
        "cannot listen on 127.0.0.1:" + std::to_string(bench.port) + ": Address already in use");
  options.address = "nowhere";
  HttpServer third(options, bench.service, bench.catalog, nullptr);
  CHECK_FALSE(third.start().ok());
}
