// One request and its answer, without a socket: authentication, routing, generations whole and streamed, cancelling.
#include "net/http/exchange.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "test/net/raw_client.hpp"
#include "test/net/scripted_service.hpp"

using namespace troupe;
using namespace troupe::test;
namespace json = boost::json;

namespace {

struct Bench {
  explicit Bench(ScriptedService::Script script = {}, HttpOptions options = {})
      : service(std::move(script)), context(std::move(options), service, catalog, &metrics) {
    context.instance = "ab";
    context.unix_time = [] { return std::int64_t{1000}; };
  }

  std::unique_ptr<Exchange> exchange(std::string method, std::string target,
                                     std::vector<std::pair<std::string, std::string>> fields = {}) {
    RequestHead head;
    head.method = std::move(method);
    head.target = std::move(target);
    head.fields = std::move(fields);
    head.fields.emplace_back("Host", "localhost");
    return std::make_unique<Exchange>(context, std::move(head), SteadyTime{}, [this] { ++wakes; });
  }
  std::unique_ptr<Exchange> posted(std::string target, std::string body,
                                   std::vector<std::pair<std::string, std::string>> fields = {}) {
    auto made = exchange("POST", std::move(target), std::move(fields));
    REQUIRE(made->on_head() == Exchange::Next::kReadBody);
    made->on_body(std::move(body));
    return made;
  }
  Answer answer_to(std::string method, std::string target,
                   std::vector<std::pair<std::string, std::string>> fields = {}) {
    auto made = exchange(std::move(method), std::move(target), std::move(fields));
    if (made->on_head() == Exchange::Next::kReadBody) made->on_body("");
    REQUIRE(made->poll() == Exchange::State::kAnswer);
    return made->take_answer();
  }

  ModelCatalog catalog = tiny_catalog();
  ScriptedService service;
  Metrics metrics;
  HttpContext context;
  std::atomic<int> wakes{0};
};

std::string field(const Answer& answer, std::string_view name) {
  for (const auto& [key, value] : answer.headers) {
    if (equals_ignoring_case(key, name)) return value;
  }
  return "";
}
std::string error_field(const Answer& answer, const char* name) {
  json::value value = json::parse(answer.body).at("error").at(name);
  return value.is_null() ? "null" : std::string(value.as_string());
}
std::vector<std::string> events_of(const std::string& stream) {
  RawResponse response;
  response.body = stream;
  return response.events();
}

}  // namespace

TEST_CASE("exchange: keys are asked for everywhere but on the open paths, before anything else is said") {
  HttpOptions options;
  options.api_keys = {"secret"};
  options.page = "<html>";
  Bench bench({}, options);
  for (const char* closed : {"/v1/models", "/v1/models/tiny", "/stats", "/nowhere", "/v1/ws"}) {
    CAPTURE(closed);
    CHECK(bench.answer_to("GET", closed).status == 401);
  }
  for (const char* closed : {"/v1/completions", "/v1/chat/completions", "/v1/embeddings", "/tokenize", "/detokenize"}) {
    CAPTURE(closed);
    auto exchange = bench.exchange("POST", closed, {{"Content-Length", "5"}});
    REQUIRE(exchange->on_head() == Exchange::Next::kAnswer);  // the body is not read
    Answer answer = exchange->take_answer();
    CHECK(answer.status == 401);
    CHECK(error_field(answer, "type") == "authentication_error");
    CHECK(field(answer, "WWW-Authenticate") == "Bearer");
    CHECK(answer.body.find("secret") == std::string::npos);
  }
  for (const char* open : {"/health", "/ready", "/version", "/"}) CHECK(bench.answer_to("GET", open).status == 200);
  CHECK(bench.answer_to("OPTIONS", "/v1/completions").status == 204);
  CHECK(bench.answer_to("GET", "/v1/models", {{"Authorization", "Bearer wrong"}}).status == 401);
  CHECK(bench.answer_to("GET", "/v1/models", {{"Authorization", "Bearer secret"}}).status == 200);
}

TEST_CASE("exchange: unknown paths are 404, wrong methods 405 with Allow, all of it JSON") {
  Bench bench;
  Answer missing = bench.answer_to("GET", "/nothing/" + std::string(5000, 'x'));
  CHECK(missing.status == 404);
  CHECK(missing.content_type == "application/json");
  CHECK(missing.body.size() < 1200);
  CHECK(error_field(missing, "code") == "not_found");
  Answer wrong = bench.answer_to("GET", "/v1/completions");
  CHECK(wrong.status == 405);
  CHECK(field(wrong, "Allow") == "POST, OPTIONS");
  for (const char* method : {"PUT", "DELETE", "TRACE", "PATCH", "get", "BREW"}) {
    CAPTURE(method);
    CHECK(bench.answer_to(method, "/v1/models").status == 405);
  }
  CHECK(bench.answer_to("CONNECT", "example.org:443").status == 404);
  CHECK(bench.answer_to("GET", "/").status == 404);       // no page was given
  CHECK(bench.answer_to("GET", "/stats").status == 404);  // nor figures
  CHECK(bench.answer_to("GET", "/v1/ws").status == 426);
  CHECK(bench.exchange("GET", "/v1/ws", {{"Upgrade", "websocket"}})->on_head() == Exchange::Next::kUpgrade);
}

TEST_CASE("exchange: what answers without a model") {
  HttpOptions options;
  options.version = "9.9";
  options.page = "<html>";
  options.stats = [] { return std::string("{\"x\":1}"); };
  Bench bench({}, options);
  CHECK(bench.answer_to("GET", "/health").body == R"({"status":"ok"})");
  CHECK(bench.answer_to("GET", "/").content_type == "text/html; charset=utf-8");
  CHECK(bench.answer_to("GET", "/stats").body == "{\"x\":1}");
  CHECK(json::parse(bench.answer_to("GET", "/version").body).at("version") == "9.9");
  CHECK(json::parse(bench.answer_to("GET", "/v1/models/small").body).at("id") == "tiny");
  CHECK(bench.answer_to("GET", "/v1/models/none").status == 404);
  CHECK(bench.answer_to("HEAD", "/health").kind == Answer::Body::kOmitted);
  bench.service.set_readiness({Readiness::State::kStalled, "executor", "no step for 12 s"});
  Answer stalled = bench.answer_to("GET", "/ready");
  CHECK(stalled.status == 503);
  CHECK(stalled.body == R"({"status":"stalled","stage":"executor","message":"no step for 12 s"})");
  CHECK(bench.answer_to("GET", "/health").status == 200);
  CHECK(bench.metrics.http_requests.value(HttpRoute::kReady, HttpStatus::k503) == 1);
}

TEST_CASE("R095: a harmless x-request-id comes back, another one is replaced") {
  Bench bench;
  CHECK(field(bench.answer_to("GET", "/health", {{"X-Request-Id", "abc-1.2:3"}}), "x-request-id") == "abc-1.2:3");
  std::string ours = field(bench.answer_to("GET", "/health"), "x-request-id");
  CHECK(ours.substr(0, 6) == "req-ab");
  for (const std::string& bad :
       {std::string("a b"), std::string("a\r\nSet-Cookie: x"), std::string(129, 'a'), std::string("\xff")}) {
    CHECK(field(bench.answer_to("GET", "/health", {{"X-Request-Id", bad}}), "x-request-id").substr(0, 6) == "req-ab");
  }
  auto exchange = bench.posted("/v1/completions", R"({"prompt":"x"})", {{"X-Request-Id", "mine"}});
  CHECK(bench.service.request(0).external_id == "mine");
}

TEST_CASE("exchange: a completion that is not streamed answers when all its choices have finished") {
  Bench bench;
  auto exchange = bench.posted("/v1/completions", R"({"prompt":["a","b"]})");
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  answer_ok({}, *bench.service.stream(1));
  CHECK(bench.wakes == 1);  // not for each token
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  answer_ok({}, *bench.service.stream(0));
  REQUIRE(exchange->poll() == Exchange::State::kAnswer);
  Answer answer = exchange->take_answer();
  CHECK(answer.status == 200);
  json::value body = json::parse(answer.body);
  CHECK(body.at("id") == "cmpl-ab1");
  CHECK(body.at("created") == 1000);
  CHECK(body.at("system_fingerprint") == "class-1");
  CHECK(body.at("choices").at(0).at("text") == "ok");
  CHECK(body.at("choices").at(1).at("index") == 1);
  CHECK(body.at("usage").at("prompt_tokens") == 6);
  CHECK(body.at("usage").at("completion_tokens") == 4);
}

TEST_CASE("exchange: a stream that echoes begins with the prompt as soon as it is known, once") {
  Bench bench;
  auto exchange = bench.posted("/v1/completions", R"({"prompt":"ab","echo":true,"logprobs":0,"stream":true})");
  CHECK(bench.service.request(0).prompt_logprobs == 0);
  auto stream = bench.service.stream(0);
  stream->accept(2, 0, "class", false);
  REQUIRE(exchange->poll() == Exchange::State::kEvents);
  exchange->take_answer();
  auto prompt = std::make_shared<PromptPart>();
  prompt->text = "ab";
  prompt->tokens = {{'a', 0, {}}, {'b', 1, {-0.5F, 2, {}}}};
  stream->show_prompt(prompt);
  std::string out;
  exchange->append_events(out);
  REQUIRE(events_of(out).size() == 1);
  json::value first = json::parse(events_of(out)[0]);
  CHECK(first.at("choices").at(0).at("text") == "ab");
  CHECK(first.at("choices").at(0).at("logprobs").at("token_logprobs") == json::parse("[null,-0.5]"));
  append_token(*stream, 'c', "c");
  stream->finish(FinishReason::kLength, {2, 1, 0}, {});
  out.clear();
  CHECK(exchange->append_events(out));
  json::value last = json::parse(events_of(out)[0]);
  CHECK(last.at("choices").at(0).at("text") == "c");
  CHECK(last.at("choices").at(0).at("logprobs").at("text_offset") == json::parse("[2]"));
}

TEST_CASE("exchange: the status of a stream waits until every choice is accepted") {
  Bench bench;
  auto exchange = bench.posted(
      "/v1/chat/completions",
      R"({"messages":[{"role":"user","content":"x"}],"n":2,"stream":true,"stream_options":{"include_usage":true}})");
  auto first = bench.service.stream(0);
  auto second = bench.service.stream(1);
  first->accept(3, 0, "class-1", false);
  append_token(*first, 'a', "early");
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  second->accept(3, 0, "class-1", false);
  REQUIRE(exchange->poll() == Exchange::State::kEvents);
  Answer head = exchange->take_answer();
  CHECK(head.status == 200);
  CHECK(head.kind == Answer::Body::kChunked);
  CHECK(head.content_type.substr(0, 17) == "text/event-stream");
  CHECK(field(head, "Cache-Control").substr(0, 8) == "no-cache");
  CHECK(field(head, "X-Accel-Buffering") == "no");

  std::string out;
  CHECK_FALSE(exchange->append_events(out));
  std::vector<std::string> events = events_of(out);
  REQUIRE(events.size() == 3);
  CHECK(json::parse(events[0]).at("choices").at(0).at("delta") == json::parse(R"({"role":"assistant","content":""})"));
  CHECK(json::parse(events[2]).at("choices").at(0).at("delta") == json::parse(R"({"content":"early"})"));
  CHECK(out.find("id: chatcmpl-ab1:0:1:5\n") != std::string::npos);

  out.clear();
  append_token(*second, 'b', "be");
  append_token(*second, 'c', "");  // its text is held back: no event of its own
  CHECK_FALSE(exchange->append_events(out));
  CHECK(events_of(out).size() == 1);
  out.clear();
  append_token(*second, 'd', "");
  CHECK_FALSE(exchange->append_events(out));
  CHECK(out.empty());

  first->finish(FinishReason::kStop, {3, 1, 2}, {});  // the prefix hit was not known when it was accepted
  second->finish(FinishReason::kLength, {3, 3, 2}, {});
  CHECK(exchange->append_events(out));
  events = events_of(out);
  REQUIRE(events.size() == 4);
  CHECK(json::parse(events[1]).at("choices").at(0).at("finish_reason") == "length");
  CHECK(json::parse(events[2]).at("usage").at("completion_tokens") == 4);
  CHECK(json::parse(events[2]).at("usage").at("prompt_tokens") == 3);
  CHECK(json::parse(events[2]).at("usage").at("prompt_tokens_details").at("cached_tokens") == 2);
  CHECK(events[3] == "[DONE]");
}

TEST_CASE("exchange: a choice refused before all are accepted is the answer, and the others are cancelled") {
  for (const char* stream : {"true", "false"}) {
    CAPTURE(stream);
    Bench bench;
    auto exchange = bench.posted("/v1/completions", std::string(R"({"prompt":"x","n":3,"stream":)") + stream + "}");
    bench.service.stream(0)->accept(3, 0, "class-1", false);
    bench.service.stream(1)->fail({ErrorCode::kQueueFull, "the queue is full", "", 0});
    REQUIRE(exchange->poll() == Exchange::State::kAnswer);
    Answer answer = exchange->take_answer();
    CHECK(answer.status == 429);
    CHECK(field(answer, "Retry-After") == "7");  // the service's, as the error had none
    CHECK(error_field(answer, "type") == "rate_limit_error");
    CHECK(bench.service.cancel_of(0).has_value());
    CHECK(bench.service.cancel_of(2).has_value());
    CHECK(bench.metrics.http_requests.value(HttpRoute::kCompletions, HttpStatus::k429) == 1);
  }
}

TEST_CASE("exchange: after a refusal at once nothing more is submitted") {
  Bench bench([](const Request&, ResponseStream& stream) { stream.fail({ErrorCode::kQueueFull, "full", "", 5}); });
  auto exchange = bench.posted("/v1/completions", R"({"prompt":"x","n":100})");
  REQUIRE(exchange->poll() == Exchange::State::kAnswer);
  CHECK(field(exchange->take_answer(), "Retry-After") == "5");
  CHECK(bench.service.count() == 1);
}

TEST_CASE("exchange: an error in a stream is an event without [DONE], and ends the other choices") {
  Bench bench;
  auto exchange = bench.posted("/v1/completions", R"({"prompt":"x","n":2,"stream":true})");
  bench.service.stream(0)->accept(3, 0, "class-1", false);
  bench.service.stream(1)->accept(3, 0, "class-1", false);
  REQUIRE(exchange->poll() == Exchange::State::kEvents);
  exchange->take_answer();
  std::string out;
  CHECK_FALSE(exchange->append_events(out));
  append_token(*bench.service.stream(0), 'a', "half");
  bench.service.stream(0)->fail({ErrorCode::kInternal, "the executor died", "", 0});
  CHECK(exchange->append_events(out));
  std::vector<std::string> events = events_of(out);
  REQUIRE(events.size() == 2);
  CHECK(json::parse(events[0]).at("choices").at(0).at("text") == "half");
  CHECK(json::parse(events[1]).at("error").at("type") == "server_error");
  CHECK(bench.service.cancel_of(1).has_value());
  CHECK(bench.metrics.errors.total() == 1);
}

TEST_CASE("exchange: cancelling reaches every choice, once, with the first reason") {
  Bench bench;
  auto exchange = bench.posted("/v1/completions", R"({"prompt":"x","n":2})");
  bench.service.stream(0)->accept(3, 0, "class-1", false);
  exchange->cancel(CancelReason::kWriteStall);
  exchange.reset();
  CHECK(bench.service.cancel_of(0) == CancelReason::kWriteStall);
  CHECK(bench.service.cancel_of(1) == CancelReason::kWriteStall);
  Bench dropped;
  dropped.posted("/v1/completions", R"({"prompt":"x"})").reset();
  CHECK(dropped.service.cancel_of(0) == CancelReason::kClientGone);
}

TEST_CASE("exchange: a finished exchange is not woken any more") {
  Bench bench;
  auto exchange = bench.posted("/v1/completions", R"({"prompt":"x","stream":true})");
  auto stream = bench.service.stream(0);
  exchange.reset();
  int before = bench.wakes;
  stream->accept(3, 0, "class-1", false);
  CHECK(bench.wakes == before);
}

TEST_CASE("exchange: bad bodies are 400 with the field, and nothing is submitted") {
  Bench bench;
  for (const char* body : {"", "{", R"({"prompt":5})", R"({"prompt":"x","temperature":3})"}) {
    auto exchange = bench.posted("/v1/completions", body);
    REQUIRE(exchange->poll() == Exchange::State::kAnswer);
    CHECK(exchange->take_answer().status == 400);
  }
  auto exchange = bench.posted("/v1/completions", R"({"prompt":"x","model":"gpt"})");
  REQUIRE(exchange->poll() == Exchange::State::kAnswer);
  Answer answer = exchange->take_answer();
  CHECK(answer.status == 404);
  CHECK(error_field(answer, "code") == "model_not_found");
  CHECK(bench.service.count() == 0);
}

TEST_CASE("exchange: Cache-Control of the request decides about the result cache") {
  Bench bench;
  auto a = bench.posted("/v1/completions", R"({"prompt":"x"})", {{"Cache-Control", "no-store"}});
  auto b = bench.posted("/v1/completions", R"({"prompt":"x"})", {{"Cache-Control", "no-cache"}});
  auto c = bench.posted("/v1/completions", R"({"prompt":"x"})");
  CHECK(bench.service.request(0).cache == CachePolicy::kNoStore);
  CHECK(bench.service.request(1).cache == CachePolicy::kNoCache);
  CHECK(bench.service.request(2).cache == CachePolicy::kUse);
}

TEST_CASE("D6: the header X-Request-Timeout-Ms sets a deadline, the nearer of it and the field, and must be one") {
  Bench bench;
  auto a = bench.posted("/v1/completions", R"({"prompt":"x","timeout_ms":1000})", {{"X-Request-Timeout-Ms", "250"}});
  auto b = bench.posted("/v1/completions", R"({"prompt":"x","timeout_ms":100})", {{"X-Request-Timeout-Ms", "250"}});
  for (std::size_t i = 0; i < 2; ++i) {
    Request request = bench.service.request(i);
    REQUIRE(request.deadline);
    CHECK(*request.deadline - request.arrived == std::chrono::milliseconds(i == 0 ? 250 : 100));
  }
  for (const char* wrong : {"0", "-1", "soon", "1.5", "86400001"}) {
    auto refused = bench.posted("/v1/completions", R"({"prompt":"x"})", {{"X-Request-Timeout-Ms", wrong}});
    REQUIRE(refused->poll() == Exchange::State::kAnswer);
    CHECK(refused->take_answer().status == 400);
  }
  CHECK(bench.service.count() == 2);
}

TEST_CASE("exchange: tokenize and detokenize answer through the text workers") {
  Bench bench;
  auto tokenize = bench.posted("/tokenize", R"({"prompt":"ab"})");
  REQUIRE(tokenize->poll() == Exchange::State::kAnswer);
  CHECK(tokenize->take_answer().body == R"({"count":2,"max_model_len":64,"tokens":[97,98],"token_strs":null})");
  CHECK(bench.wakes == 1);
  auto refused = bench.posted("/tokenize", R"({"prompt":"!"})");
  REQUIRE(refused->poll() == Exchange::State::kAnswer);
  CHECK(refused->take_answer().status == 429);
  auto detokenize = bench.posted("/detokenize", R"({"tokens":[104,105]})");
  REQUIRE(detokenize->poll() == Exchange::State::kAnswer);
  CHECK(detokenize->take_answer().body == R"({"prompt":"hi"})");
}

TEST_CASE("exchange: CORS names the origin, and can be switched off") {
  Bench bench;
  Answer preflight = bench.answer_to("OPTIONS", "/v1/chat/completions", {{"Origin", "http://a"}});
  CHECK(preflight.status == 204);
  CHECK(field(preflight, "Access-Control-Allow-Origin") == "*");
  CHECK(field(preflight, "Access-Control-Allow-Headers").find("Authorization") == 0);
  CHECK(bench.answer_to("OPTIONS", "*").status == 204);
  HttpOptions options;
  options.cors_origin = "";
  Bench silent({}, options);
  CHECK(field(silent.answer_to("GET", "/health"), "Access-Control-Allow-Origin").empty());
}
