// The server over real sockets: clients that are slow, gone, too large, malformed or too many.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "test/net/server_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// Sends it and says what came back: the first status, and that the connection ended without a second answer.
int status_and_closed(std::uint16_t port, const std::string& bytes) {
  RawClient client(port);
  client.send(bytes);
  RawResponse response = client.receive();
  CHECK(client.receive_all().find("HTTP/1.1 200") == std::string::npos);
  if (response.status >= 400) CHECK(response.body.find("{\"error\":") == 0);
  return response.status;
}

}  // namespace

TEST_CASE("faults: a head or a body that drips is cut off at its deadline with 408") {
  HttpOptions options;
  options.limits.head_timeout = 60ms;
  options.limits.body_timeout = 60ms;
  ServerBench bench({}, options);
  CHECK(status_and_closed(bench.port, "GET /health HTTP/1.1\r\nHost: a\r\nX-Slow:") == 408);
  CHECK(status_and_closed(bench.port, "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{") ==
        408);
  CHECK(status_and_closed(bench.port,
                          "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n") ==
        408);
  RawClient dripping(bench.port);  // a byte every 10 ms does not move the deadline
  dripping.send("GET /health HTTP/1.1\r\nX: ");
  for (int i = 0; i < 20; ++i) {
    dripping.send("a");
    usleep(10'000);
  }
  CHECK(dripping.receive().status == 408);
  RawClient silent(bench.port);
  CHECK(silent.is_closed());
}

TEST_CASE("faults: a connection that idles after a request is closed quietly") {
  HttpOptions options;
  options.limits.keep_alive = 40ms;
  ServerBench bench({}, options);
  RawClient client(bench.port);
  client.send(get("/health"));
  CHECK(client.receive().status == 200);
  CHECK(client.is_closed());
}

TEST_CASE("faults: a client that closes or resets is gone in every state, and what it asked for is cancelled") {
  ServerBench bench;
  std::size_t n = 0;
  for (bool reset : {false, true}) {
    for (const std::string& body : {kCompletion, kStream}) {
      CAPTURE(reset, body);
      for (bool accepted : {false, true}) {
        RawClient client(bench.port);
        client.send(post("/v1/completions", body));
        auto stream = bench.service.stream(n);
        REQUIRE(stream);
        if (accepted) {
          stream->accept(3, 0, "class-1", false);
          append_token(*stream, 'a', "a");
          if (body == kStream) client.receive_until("\"a\"");
        }
        reset ? client.reset() : client.close();
        CHECK(bench.service.cancel_of(n) == CancelReason::kClientGone);
        ++n;
      }
    }
  }
  {
    RawClient half(bench.port);  // a half-closed client counts as gone
    half.send(post("/v1/completions", kStream));
    REQUIRE(bench.service.stream(n));
    half.finish_sending();
    CHECK(bench.service.cancel_of(n) == CancelReason::kClientGone);
    ++n;
  }
  {
    RawClient pipelining(bench.port);  // also when it has sent more before
    pipelining.send(post("/v1/completions", kCompletion) + get("/health"));
    REQUIRE(bench.service.stream(n));
    pipelining.reset();
    CHECK(bench.service.cancel_of(n) == CancelReason::kClientGone);
  }
  RawClient(bench.port).send("POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{");
  RawClient(bench.port).send("GET /he");
  CHECK(bench.server.wait_until_idle(20s));
}

TEST_CASE("faults: all choices of a client that is gone are cancelled") {
  ServerBench bench;
  RawClient client(bench.port);
  client.send(post("/v1/completions", R"({"prompt":["a","b"],"n":3})"));
  REQUIRE(bench.service.stream(5));
  client.close();
  for (std::size_t i = 0; i < 6; ++i) CHECK(bench.service.cancel_of(i) == CancelReason::kClientGone);
}

TEST_CASE("faults: a client that half-closes after a simple request still gets its answer") {
  ServerBench bench;
  RawClient client(bench.port);
  client.send(get("/health"));
  client.finish_sending();
  CHECK(client.receive().status == 200);
  CHECK(client.is_closed());
}

TEST_CASE("faults: a reader that takes nothing is cancelled, one beside it is not held up") {
  HttpOptions options;
  options.limits.write_stall = 200ms;
  ServerBench bench({}, options);
  RawClient slow(bench.port, 4096);
  slow.send(post("/v1/completions", kStream));
  auto stalled = bench.service.stream(0);
  REQUIRE(stalled);
  stalled->accept(3, 0, "class-1", false);
  const std::string megabyte(1U << 20, 'x');
  for (int i = 0; i < 16; ++i) append_token(*stalled, 'a', megabyte);  // more than the kernel buffers

  RawClient quick(bench.port);
  quick.send(post("/v1/completions", kStream));
  auto stream = bench.service.stream(1);
  REQUIRE(stream);
  answer_ok({}, *stream);
  CHECK(quick.receive().events().back() == "[DONE]");
  CHECK(bench.service.cancel_of(0) == CancelReason::kWriteStall);
  quick.send(get("/health"));
  CHECK(quick.receive().status == 200);
}

TEST_CASE("D17: while memory is scarce a reader that takes nothing is cut off long before the stall limit") {
  HttpOptions options;
  options.memory = std::make_shared<MemoryGovernor>(100U << 20U);
  REQUIRE(options.memory->try_take(MemoryUse::kRequests, 74U << 20U));
  ServerBench bench({}, options);
  RawClient slow(bench.port, 4096);
  slow.send(post("/v1/completions", kStream));
  auto stalled = bench.service.stream(0);
  REQUIRE(stalled);
  stalled->accept(3, 0, "class-1", false);
  for (int i = 0; i < 16; ++i) append_token(*stalled, 'a', std::string(1U << 20, 'x'));
  REQUIRE(options.memory->try_take(MemoryUse::kRequests, 2U << 20U));
  CHECK(bench.service.cancel_of(0) == CancelReason::kWriteStall);  // the stall limit is 30 s
  CHECK(options.memory->steps(MemoryStep::kSlowReader) == 1);
  CHECK(bench.service.count() == 1);
}

TEST_CASE("D17: a body there is no memory for is refused with 429 while it is read, and what it took comes back") {
  HttpOptions options;
  options.memory = std::make_shared<MemoryGovernor>(10U << 20U);
  ServerBench bench(answer_ok, options);
  std::uint64_t others = 7U << 20U;
  REQUIRE(options.memory->try_take(MemoryUse::kInput, others));
  RawClient client(bench.port);
  const std::string body = R"({"prompt":")" + std::string(2U << 20, 'x') + "\"}";
  client.send(post("/v1/completions", body));
  RawResponse refused = client.receive();
  CHECK(refused.status == 429);
  CHECK(refused.fields["retry-after"] == "7");
  CHECK(refused.body.find("memory.limit is 10 MiB") != std::string::npos);
  CHECK(options.memory->steps(MemoryStep::kRefusal) == 1);
  CHECK(options.memory->used(MemoryUse::kInput) == others);

  options.memory->give_back(MemoryUse::kInput, others);
  RawClient again(bench.port);
  again.send(post("/v1/completions", kCompletion));
  CHECK(again.receive().status == 200);
}

TEST_CASE("D17: many short values in a body are refused before a document of them is made") {
  HttpOptions options;
  options.memory = std::make_shared<MemoryGovernor>(10U << 20U);
  ServerBench bench(answer_ok, options);
  RawClient client(bench.port);
  std::string body = R"({"prompt":[)";
  for (int i = 0; i < 200'000; ++i) body += "0,";
  client.send(post("/v1/completions", body + "0]}"));
  CHECK(client.receive().status == 429);
  CHECK(options.memory->most_used() < 2U << 20U);
}

TEST_CASE("D17: a connection there is no memory for hears 503 and is counted as refused") {
  HttpOptions options;
  options.memory = std::make_shared<MemoryGovernor>(1U << 20U);
  REQUIRE(options.memory->try_take(MemoryUse::kInput, 800U << 10U));
  ServerBench bench(answer_ok, options);
  RawClient client(bench.port);
  CHECK(client.receive().status == 503);
  CHECK(bench.metrics.connections_refused.value() == 1);
  options.memory->give_back(MemoryUse::kInput, 800U << 10U);
  RawClient again(bench.port);
  again.send(get("/health"));
  CHECK(again.receive().status == 200);
}

TEST_CASE("faults: bytes that could smuggle a second request are refused, and the connection with them") {
  ServerBench bench(answer_ok);
  const std::string inner = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
  auto request = [&](const std::string& fields, const std::string& body) {
    return "POST /v1/completions HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n" + body + inner;
  };
  const std::pair<std::string, int> table[] = {
      {request("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), 400},
      {request("Transfer-Encoding: identity\r\n", ""), 501},
      {request("Transfer-Encoding: identity\r\nContent-Length: 0\r\n", ""), 400},
      {request("Transfer-Encoding:\r\nContent-Length: 0\r\n", ""), 400},
      {request("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501},
      {request("Transfer-Encoding: \x0b"
               "chunked\r\n",
               "0\r\n\r\n"),
       400},
      {request("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"), 400},
      {request("Content-Length: 0\r\nContent-Length: 5\r\n", ""), 400},
      {request("Content-Length: 0\r\nContent-Length: 0\r\n", ""), 400},
      {request("Content-Length: +0\r\n", ""), 400},
      {request("Content-Length: -1\r\n", ""), 400},
      {request("Content-Length: 0x0\r\n", ""), 400},
      {request("Content-Length: 99999999999999999999999\r\n", ""), 400},
      {request("Content-Length : 0\r\n", ""), 400},
      {request(" Content-Length: 0\r\n", ""), 400},
      {request("Transfer-Encoding: chunked\r\n", "zz\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\n", "-1\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\n", "0x1\r\n{\r\n0\r\n\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\n", "1\r\n{}\r\n0\r\n\r\n"), 400},
      {request("Transfer-Encoding: chunked\r\n", "1\n{\n0\n\n"), 400},
      {"POST /v1/completions HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner, 400},
      {"GET /health HTTP/1.1\r\n\r\n" + inner, 400},
      {"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + inner, 400},
      {"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n" + inner, 400},
      {"GET /health HTTP/1.1\nHost: a\n\n" + inner, 400},
      {"GET  /health HTTP/1.1\r\nHost: a\r\n\r\n" + inner, 400},
      {"GET /health HTTP/2.0\r\nHost: a\r\n\r\n" + inner, 505},
      {"GET health HTTP/1.1\r\nHost: a\r\n\r\n" + inner, 400},
      {std::string("GET /he\0alth HTTP/1.1\r\nHost: a\r\n\r\n", 34) + inner, 400},
      {"GET /health HTTP/1.1\r\nHost: a\r\nX: a\r b\r\n\r\n" + inner, 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"\x16\x03\x01\x02garbage\r\n\r\n", 400},
      {"hello\r\n\r\n", 400},
  };
  for (const auto& [bytes, status] : table) {
    CAPTURE(bytes);
    int got = status_and_closed(bench.port, bytes);
    if (status == 505 || status == 501)
      CHECK((got == status || got == 400));
    else
      CHECK(got == status);
  }
}

TEST_CASE("faults: heads, targets and bodies have their limits") {
  HttpOptions options;
  options.limits.body_bytes_max = 1000;
  ServerBench bench(answer_ok, options);
  CHECK(status_and_closed(bench.port, get("/health", "X: " + std::string(20'000, 'x') + "\r\n")) == 431);
  std::string fields;
  for (int i = 0; i < 100; ++i) fields += "X: y\r\n";
  CHECK(status_and_closed(bench.port, get("/health", fields)) == 431);
  CHECK(status_and_closed(bench.port, get("/" + std::string(9'000, 'x'))) == 414);
  CHECK(status_and_closed(bench.port, get("/" + std::string(30'000, 'x'))) == 414);
  CHECK(status_and_closed(bench.port, post("/v1/completions", std::string(1001, ' '))) == 413);
  CHECK(status_and_closed(bench.port,
                          "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3ea\r\n" +
                              std::string(1002, ' ')) == 413);
  CHECK(status_and_closed(bench.port, post("/v1/completions", kCompletion, "Content-Encoding: gzip\r\n")) == 415);
  CHECK(status_and_closed(
            bench.port,
            "POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}") ==
        415);
  std::string chunks = "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 900; ++i) chunks += "1;" + std::string(200, 'x') + "\r\n \r\n";  // 180 KB around 900 bytes
  CHECK(status_and_closed(bench.port, chunks) == 413);
  CHECK(
      status_and_closed(bench.port, "POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
                                        std::string(200'000, 'x')) == 400);
  CHECK(bench.service.count() == 0);
}

TEST_CASE("faults: a connection too many is told so, and the next one after a close is served") {
  HttpOptions options;
  options.limits.connections_max = 2;
  ServerBench bench({}, options);
  RawClient first(bench.port);
  first.send(get("/health"));
  CHECK(first.receive().status == 200);
  auto second = std::make_unique<RawClient>(bench.port);
  second->send(get("/health"));
  CHECK(second->receive().status == 200);
  RawClient third(bench.port);
  RawResponse refused = third.receive();
  CHECK(refused.status == 503);
  CHECK(refused.fields["retry-after"] == "1");
  CHECK(bench.metrics.connections_refused.value() == 1);
  second.reset();
  while (bench.server.connections() == 2) usleep(1000);
  RawClient fourth(bench.port);
  fourth.send(get("/health"));
  CHECK(fourth.receive().status == 200);
}

TEST_CASE("faults: the accept loop survives that there are no descriptors left") {
  ServerBench bench;
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  RawClient early(bench.port);
  early.send(get("/health"));
  CHECK(early.receive().status == 200);

  RawClient waiting(bench.port);  // has its socket, but the server's end may find no descriptor
  rlimit few = before;
  few.rlim_cur = 128;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
  std::vector<int> taken;
  for (int fd = 0; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  waiting.send(get("/health"));
  early.send(get("/health"));  // those who are in are served meanwhile
  CHECK(early.receive().status == 200);
  for (int fd : taken) ::close(fd);
  CHECK(waiting.receive().status == 200);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  RawClient after(bench.port);
  after.send(get("/health"));
  CHECK(after.receive().status == 200);
}

TEST_CASE("faults: a flood of connections that come and go leaves nothing behind") {
  ServerBench bench;
  for (int i = 0; i < 200; ++i) {
    RawClient client(bench.port);
    if (i % 3 == 1) client.send("GET");
    if (i % 3 == 2) client.send(post("/v1/completions", kCompletion));
    if (i % 2 == 0) client.reset();
  }
  CHECK(bench.server.wait_until_idle(20s));
  RawClient client(bench.port);
  client.send(get("/health"));
  CHECK(client.receive().status == 200);
}

TEST_CASE("http: an upgrade to WebSocket needs the key, and then speaks it on the same connection") {
  HttpOptions options;
  options.api_keys = {"secret"};
  ServerBench bench({}, options);
  const std::string upgrade =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
      "dGhlIHNhbXBsZSBub25jZQ==\r\n";
  CHECK(status_and_closed(bench.port, get("/v1/ws", upgrade + "Connection: close\r\n")) == 401);
  RawClient client(bench.port);
  client.send(get("/health"));
  CHECK(client.receive().status == 200);
  client.send(get("/v1/ws", upgrade + "Authorization: Bearer secret\r\n"));
  RawResponse switched = client.receive();
  CHECK(switched.status == 101);
  CHECK(switched.fields["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 1.3
  CHECK(bench.server.connections() == 1);
  client.close();
  CHECK(bench.server.wait_until_idle(20s));
}
