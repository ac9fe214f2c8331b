// The command line's GETs and POSTs: URLs, answers, limits.
#include "net/client/http_call.hpp"

#include <catch2/catch.hpp>

#include "net/metrics_endpoint.hpp"

using namespace troupe;
using namespace std::chrono_literals;

TEST_CASE("http_get: URLs are taken apart, and what is none is refused") {
  auto url = parse_http_url("http://[::1]:9090/metrics?x=1");
  REQUIRE(url.ok());
  CHECK(url->host == "::1");
  CHECK(url->port == "9090");
  CHECK(url->target == "/metrics?x=1");
  CHECK(parse_http_url("http://example.org")->target == "/");
  CHECK(parse_http_url("http://example.org")->port == "80");
  for (const char* wrong : {"", "example.org", "https://x/", "http://", "http://:80/", "http://x:/", "http://x:8a/",
                            "http://x:123456/", "http://[::1/", "http://x/a b", "http://x/\r\nHost: y"}) {
    INFO(wrong);
    CHECK_FALSE(parse_http_url(wrong).ok());
  }
}

TEST_CASE("http_get: gets a body within its bounds, and says what went wrong otherwise") {
  Metrics metrics;
  auto endpoint = MetricsEndpoint::start(metrics, {"127.0.0.1", 0, 1, {}, {}});
  REQUIRE(endpoint.ok());
  std::string base = "http://127.0.0.1:" + std::to_string((*endpoint)->port());
  auto body = http_get(base + "/metrics", 10s, 1U << 20);
  REQUIRE(body.ok());
  CHECK(body->find("llm_requests_received_total 0") != std::string::npos);
  CHECK_FALSE(http_get(base + "/metrics", 10s, 100).ok());
  auto missing = http_get(base + "/nothing", 10s, 1U << 20);
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().message.find("404") != std::string::npos);
  auto posted = http_post(base + "/metrics", "{}", "a-key", 10s, 1U << 20);
  REQUIRE_FALSE(posted.ok());
  CHECK(posted.error().message.find("/metrics answers with status 4") != std::string::npos);
  std::uint16_t port = (*endpoint)->port();
  endpoint->reset();
  auto gone = http_get(base + "/metrics", 2s, 1U << 20);
  REQUIRE_FALSE(gone.ok());
  CHECK(gone.error().message.find(std::to_string(port)) != std::string::npos);
}
