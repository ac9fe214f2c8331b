// The client's pure half: URLs, request bytes, server-sent events, answers.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "net/client/answer_reader.hpp"
#include "net/client/client_url.hpp"
#include "net/client/request_bytes.hpp"
#include "net/client/sse_reader.hpp"

using namespace troupe;

namespace {

std::vector<std::string> events(const std::string& text, std::size_t piece) {
  std::vector<std::string> all;
  SseReader reader;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    REQUIRE(
        reader.feed(std::string_view(text).substr(at, piece), [&](std::string_view data) { all.emplace_back(data); }));
  }
  return all;
}

ClientEnd whole(int status, const std::string& body, std::string_view retry_after = "") {
  AnswerReader reader(status, false);
  reader.feed(body);
  return reader.finish(true, retry_after);
}

}  // namespace

TEST_CASE("client: URLs that people have at hand work, others are refused by name") {
  struct Case {
    const char *text, *host;
    int port;
    const char* prefix;
  };
  for (const Case& one :
       std::vector<Case>{{"http://a", "a", 80, ""},
                         {"a:8080", "a", 8080, ""},
                         {"http://a:8080/", "a", 8080, ""},
                         {"http://a:8080/v1", "a", 8080, ""},
                         {"http://llm-model-service:8080/v1/completions", "llm-model-service", 8080, ""},
                         {"http://a/v1/chat/completions", "a", 80, ""},
                         {"http://a/proxy/b/v1/", "a", 80, "/proxy/b"},
                         {"http://[::1]:9", "::1", 9, ""}}) {
    INFO(one.text);
    auto url = parse_client_url(one.text);
    REQUIRE(url.ok());
    CHECK(url->host == one.host);
    CHECK(url->port == one.port);
    CHECK(url->prefix == one.prefix);
  }
  CHECK(parse_client_url("http://[::1]:9")->host_field() == "[::1]:9");
  for (const char* text :
       {"", "http://", "https://a", "ftp://a", "http://a:0", "http://a:65536", "http://a:x", "http://a:", "http://a b",
        "http://a\r\nX: y", "http://u:p@a", "http://a/?q", "http://[::1", "http://[::1]x"}) {
    INFO(text);
    CHECK(!parse_client_url(text).ok());
  }
  CHECK(!parse_client_url("http://" + std::string(3'000, 'a')).ok());
}

TEST_CASE("R191 client: a request has the fields that were asked for and no others") {
  ClientOptions options;
  options.url = *parse_client_url("http://a:81/p");
  ClientRequest request{0, "the sea", 7, "", ""};
  std::string text = completion_bytes(options, request);
  CHECK(text.find("POST /p/v1/completions HTTP/1.1\r\nHost: a:81\r\n") == 0);
  std::string body = text.substr(text.find("\r\n\r\n") + 4);
  CHECK(body == R"({"prompt":"the sea","max_tokens":7,"stream":true,"stream_options":{"include_usage":true}})");
  CHECK(text.find("Content-Length: " + std::to_string(body.size()) + "\r\n") != std::string::npos);
  CHECK(text.find("Authorization") == std::string::npos);

  options.is_chat = true;
  options.is_streamed = false;
  options.model = "m";
  options.temperature = 0.5;
  options.ignore_eos = true;
  options.api_key = "all";
  options.headers = {{"X-A", "b"}};
  request.user = "u";
  text = completion_bytes(options, request);
  CHECK(text.find("POST /p/v1/chat/completions ") == 0);
  CHECK(text.find("Authorization: Bearer all\r\nX-A: b\r\n") != std::string::npos);
  CHECK(text.substr(text.find("\r\n\r\n") + 4) ==
        R"({"model":"m","messages":[{"role":"user","content":"the sea"}],"max_tokens":7,"temperature":0.5,)"
        R"("ignore_eos":true,"user":"u"})");
  request.api_key = "own";
  CHECK(completion_bytes(options, request).find("Authorization: Bearer own\r\n") != std::string::npos);
  CHECK(models_bytes(options).find("GET /p/v1/models HTTP/1.1\r\n") == 0);
}

TEST_CASE("client: header flags cannot smuggle lines or replace the framing") {
  CHECK(*parse_header("X-A: b: c") == std::pair<std::string, std::string>("X-A", "b: c"));
  CHECK(*parse_header("X-A=b") == std::pair<std::string, std::string>("X-A", "b"));
  for (const char* text :
       {"", "X", ": v", "a b: c", "X: a\r\nY: b", "Content-Length: 5", "HOST: x", "Transfer-Encoding: x"})
    CHECK(!parse_header(text).ok());
}

TEST_CASE("client: server-sent events, however they are cut and whatever ends their lines") {
  // The examples of WHATWG HTML, section 9.2.6, and the three line ends.
  const std::string text =
      ": a comment\n\ndata: YHOO\ndata: +2\ndata: 10\n\ndata\n\ndata:test\r\rdata: test\r\n\r\nevent: x\nid: 1\n\n"
      "data:  two spaces\n\ndata: not ended";
  const std::vector<std::string> expected = {"YHOO\n+2\n10", "", "test", "test", " two spaces"};
  for (std::size_t piece : {1, 2, 3, 7, 1000}) CHECK(events(text, piece) == expected);
}

TEST_CASE("client: an event or a line without end is refused, not kept") {
  SseReader line;
  std::string part(64U << 10, 'x');
  bool is_fine = true;
  for (int i = 0; i < 17 && is_fine; ++i) is_fine = line.feed(part, [](std::string_view) {});
  CHECK(!is_fine);
  SseReader event;
  is_fine = true;
  for (int i = 0; i < 17 && is_fine; ++i) is_fine = event.feed("data: " + part + "\n", [](std::string_view) {});
  CHECK(!is_fine);
}

TEST_CASE("client: events with text are counted, roles, usage and comments are not") {
  AnswerReader reader(200, true);
  CHECK(reader.feed("data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n") == 0);
  CHECK(reader.feed(": keep-alive\n\n") == 0);
  CHECK(reader.feed("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n") == 1);
  CHECK(reader.feed("data: {\"choices\":[{\"text\":\"b\"}]}\n\ndata: {\"choices\":[{\"text\":\"c\"}]}\n\n") == 2);
  CHECK(reader.feed("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"h\"}}]}\n\n") == 1);
  CHECK(reader.feed("data: {\"choices\":[{\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\n") == 0);
  CHECK(reader.feed(
            "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n") == 0);
  ClientEnd end = reader.finish(true, "");
  CHECK(end.ending == ClientEnding::kDone);
  CHECK(end.has_usage);
  CHECK(end.prompt_tokens == 5);
  CHECK(end.output_tokens == 3);
}

TEST_CASE("client: a stream that breaks, ends too soon or carries an error is no success") {
  AnswerReader broken(200, true);
  broken.feed("data: {\"choices\":[{\"text\":\"b\"}]}\n\n");
  CHECK(broken.finish(false, "").ending == ClientEnding::kBroken);
  AnswerReader cut(200, true);
  cut.feed("data: {\"choices\":[{\"text\":\"b\"}]}\n\n");
  CHECK(cut.finish(true, "").ending == ClientEnding::kMalformed);
  AnswerReader failed(200, true);
  failed.feed(
      "data: {\"error\":{\"message\":\"oh\",\"type\":\"server_error\",\"code\":\"internal_error\"}}\n\ndata: "
      "[DONE]\n\n");
  ClientEnd end = failed.finish(true, "");
  CHECK(end.ending == ClientEnding::kStreamError);
  CHECK(end.error == "internal_error");
  AnswerReader garbage(200, true);
  garbage.feed("data: {oops\n\ndata: [DONE]\n\n");
  CHECK(garbage.finish(true, "").ending == ClientEnding::kMalformed);
}

TEST_CASE("R194 client: whole answers by status, with the server's name of the error") {
  ClientEnd done = whole(200, R"({"choices":[{"text":"x"}],"usage":{"prompt_tokens":1,"completion_tokens":2}})");
  CHECK(done.ending == ClientEnding::kDone);
  CHECK(done.output_tokens == 2);
  ClientEnd refused = whole(429, R"({"error":{"message":"m","type":"rate_limit_error","code":"queue_full"}})", "7");
  CHECK(refused.ending == ClientEnding::kRefused);
  CHECK(refused.status == 429);
  CHECK(refused.error == "queue_full");
  CHECK(*refused.retry_after_s == 7.0);
  CHECK(whole(503, "<html>busy</html>").ending == ClientEnding::kRefused);
  CHECK(whole(503, "<html>busy</html>").error.empty());
  ClientEnd llama = whole(500, R"({"error":{"code":500,"message":"m","type":"server_error"}})");
  CHECK(llama.ending == ClientEnding::kHttpError);
  CHECK(llama.error == "server_error");
  CHECK(whole(400, R"({"error":"bad","error_type":"validation"})").error == "validation");
  CHECK(whole(200, "").ending == ClientEnding::kMalformed);
  CHECK(whole(200, "[1]").ending == ClientEnding::kMalformed);
  CHECK(whole(200, "{}").ending == ClientEnding::kMalformed);
  CHECK(whole(200, R"({"choices":[],"usage":{"completion_tokens":-5,"prompt_tokens":1e30}})").output_tokens == 0);
  CHECK(whole(404, R"({"error":{"code":")" + std::string(500, 'x') + "\"}}").error.size() ==
        AnswerReader::kErrorTextMax);
  for (const char* text : {"", "-1", "soon", "1e300", "Wed, 21 Oct 2026 07:28:00 GMT"}) CHECK(!parse_retry_after(text));
  CHECK(first_model_id(R"({"data":[{"id":"m"},{"id":"n"}]})") == "m");
  CHECK(first_model_id(R"({"data":[]})").empty());
}
