// What a request head may say: framing, Host, targets, encodings, routes, keys. Without a socket.
#include "net/http/head_rules.hpp"

#include <catch2/catch.hpp>

#include "net/http/api_keys.hpp"
#include "net/http/routes.hpp"

using namespace troupe;

namespace {

RequestHead head_with(std::vector<std::pair<std::string, std::string>> fields) {
  RequestHead head;
  head.method = "POST";
  head.target = "/v1/completions";
  head.fields = std::move(fields);
  return head;
}
int status_of(const RequestHead& head) {
  std::optional<Answer> answer = refuse_head(head, HttpLimits());
  if (answer) CHECK(answer->close);
  return answer ? answer->status : 0;
}
int body_status_of(const RequestHead& head) {
  std::optional<Answer> answer = refuse_body(head, HttpLimits());
  return answer ? answer->status : 0;
}

}  // namespace

TEST_CASE("head: Host must be there once and be a host") {
  CHECK(status_of(head_with({})) == 400);
  CHECK(status_of(head_with({{"Host", "a"}, {"host", "a"}})) == 400);
  for (const char* bad : {"", "a b", "a/b", "a@b", "http://a", "a:b", "a:", "a:80:80", "[::1", "[]", "[zz]", "a:123456",
                          "a\"b", "a,b:x", ":80"}) {
    CAPTURE(bad);
    int expected = std::string(bad) == "a:" ? 0 : 400;  // an empty port is allowed (RFC 3986 3.2.3)
    CHECK(status_of(head_with({{"Host", bad}})) == expected);
  }
  for (const char* good : {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:8080", "a-b.example", "a_b"}) {
    CAPTURE(good);
    CHECK(status_of(head_with({{"HOST", good}})) == 0);
  }
  RequestHead old = head_with({});
  old.version = 10;
  CHECK(status_of(old) == 0);
}

TEST_CASE("head: a message whose length two readers could see differently is refused") {
  auto framed = [](std::vector<std::pair<std::string, std::string>> fields, unsigned version = 11,
                   bool chunked = true) {
    fields.emplace_back("Host", "a");
    RequestHead head = head_with(std::move(fields));
    head.version = version;
    head.is_chunked = chunked;
    return status_of(head);
  };
  CHECK(framed({{"Transfer-Encoding", "chunked"}}) == 0);
  CHECK(framed({{"Transfer-Encoding", "CHUNKED"}}) == 0);
  CHECK(framed({{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}) == 400);
  CHECK(framed({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}) == 400);
  CHECK(framed({{"Transfer-Encoding", ""}}, 11, false) == 400);
  CHECK(framed({{"Transfer-Encoding", "identity"}}, 11, false) == 501);
  CHECK(framed({{"Transfer-Encoding", "identity"}, {"Content-Length", "5"}}, 11, false) == 400);
  CHECK(framed({{"Transfer-Encoding", ""}, {"Content-Length", "5"}}, 11, false) == 400);
  CHECK(framed({{"Transfer-Encoding", "gzip, chunked"}}) == 501);
  CHECK(framed({{"Transfer-Encoding", "chunked, chunked"}}) == 501);
  CHECK(framed({{"Transfer-Encoding", "xchunked"}}, 11, false) == 501);
  CHECK(framed({{"Transfer-Encoding", "chunked"}}, 10) == 400);
  CHECK(framed({{"Content-Length", "5"}, {"Content-Length", "5"}}, 11, false) == 400);
  for (const char* bad : {"", "+5", "-1", "0x5", "5,5", "5 5", "five"}) {
    CAPTURE(bad);
    CHECK(framed({{"Content-Length", bad}}, 11, false) == 400);
  }
}

TEST_CASE("head: too many fields and too long targets are refused") {
  std::vector<std::pair<std::string, std::string>> fields(100, {"x", "y"});
  fields[0] = {"Host", "a"};
  CHECK(status_of(head_with(fields)) == 0);
  fields.emplace_back("x", "y");
  CHECK(status_of(head_with(fields)) == 431);
  RequestHead head = head_with({{"Host", "a"}});
  head.target = "/" + std::string(8192, 'a');
  CHECK(status_of(head) == 414);
}

TEST_CASE("head: targets are taken apart without normalisation") {
  CHECK(path_of("/v1/models?x=1&y=/../") == "/v1/models");
  CHECK(path_of("http://host:80/v1/models") == "/v1/models");
  CHECK(path_of("HTTP://host") == "/");
  CHECK(path_of("*") == "*");
  for (const char* bad : {"", "v1", "http:///x", "ftp://a/b", "/a#b", "//evil\\@", "host:80"}) {
    CAPTURE(bad);
    bool is_path = std::string(bad) == "//evil\\@";  // a path like any other, which nothing answers
    CHECK(path_of(bad).empty() != is_path);
  }
}

TEST_CASE("head: bodies are JSON, as they are and not too large") {
  CHECK(body_status_of(head_with({})) == 0);
  CHECK(body_status_of(head_with({{"Content-Type", "application/json; charset=utf-8"}})) == 0);
  CHECK(body_status_of(head_with({{"Content-Type", "application/vnd.api+json"}})) == 0);
  for (const char* bad : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
                          "application/jsonx", "json"}) {
    CAPTURE(bad);
    CHECK(body_status_of(head_with({{"Content-Type", bad}})) == 415);
  }
  CHECK(body_status_of(head_with({{"Content-Encoding", "gzip"}})) == 415);
  CHECK(body_status_of(head_with({{"Content-Encoding", "identity"}})) == 0);
  CHECK(body_status_of(head_with({{"Expect", "100-continue"}})) == 0);
  CHECK(body_status_of(head_with({{"Expect", "200-ok"}})) == 417);
  RequestHead large = head_with({});
  large.content_length = (8U << 20) + 1;
  CHECK(body_status_of(large) == 413);
}

TEST_CASE("routes are an exact look-up, and only a model's name is decoded") {
  CHECK(find_route("/v1/completions").route->label == HttpRoute::kCompletions);
  CHECK(find_route("/").route->label == HttpRoute::kPage);
  for (const char* bad : {"/v1/completions/", "//v1/completions", "/V1/completions", "/v1/./completions",
                          "/v1/%63ompletions", "/v1/models/", "/etc/passwd", "/../", "*", ""}) {
    CAPTURE(bad);
    CHECK(find_route(bad).route == nullptr);
  }
  CHECK(find_route("/v1/models/org/name").model == "org/name");
  CHECK(find_route("/v1/models/org%2Fname%20x").model == "org/name x");
  CHECK(find_route("/v1/models/50%").model == "50%");
  CHECK(find_route("/v1/models/%zz%4").model == "%zz%4");
  CHECK(find_route("/v1/models").route->allows("GET"));
  CHECK(find_route("/v1/models").route->allows("HEAD"));
  CHECK_FALSE(find_route("/v1/models").route->allows("POST"));
  CHECK_FALSE(find_route("/v1/models").route->allows("GET, HEAD"));
  CHECK_FALSE(find_route("/v1/models").route->allows(""));
}

TEST_CASE("keys: only a known one is let in, and its digest is the tenant") {
  ApiKeys keys({"alpha", "beta"});
  CHECK_FALSE(keys.tenant_of("").has_value());
  CHECK_FALSE(keys.tenant_of("Bearer").has_value());
  CHECK_FALSE(keys.tenant_of("Bearer ").has_value());
  CHECK_FALSE(keys.tenant_of("Bearer alph").has_value());
  CHECK_FALSE(keys.tenant_of("Bearer alphaa").has_value());
  CHECK_FALSE(keys.tenant_of("Basic alpha").has_value());
  CHECK_FALSE(keys.tenant_of("alpha").has_value());
  // printf alpha | sha256sum
  CHECK(keys.tenant_of("Bearer alpha") == "8ed3f6ad685b959ead7022518e1af76cd816f8e8ec7ccdda1ed4018e8f2223f8");
  CHECK(keys.tenant_of("bearer beta").has_value());
  CHECK(keys.tenant_of("Bearer alpha") != keys.tenant_of("Bearer beta"));
  CHECK(ApiKeys({}).tenant_of("") == "");
}

TEST_CASE("D8: a key of a named tenant is let in under its name, and makes keys required") {
  ApiKeys keys({"alpha"}, {{"beta", "search"}, {"gamma", "search"}, {"delta", "batch"}});
  CHECK(keys.tenant_of("Bearer beta") == "search");
  CHECK(keys.tenant_of("Bearer gamma") == "search");
  CHECK(keys.tenant_of("Bearer delta") == "batch");
  CHECK(keys.tenant_of("Bearer alpha")->size() == 64);
  CHECK_FALSE(keys.tenant_of("Bearer search").has_value());
  CHECK_FALSE(ApiKeys({}, {{"beta", "search"}}).tenant_of("").has_value());
}
