// POST /v1/embeddings without a socket: what a body becomes, what is refused, the answer, lists that are longer than
// what runs at a time.
#include "net/schema/embedding_request.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "net/http/exchange.hpp"
#include "net/schema/base64.hpp"
#include "test/net/request_bodies.hpp"

using namespace troupe;
using namespace troupe::test;
namespace json = boost::json;

namespace {

Result<ApiRequest> embedding(const std::string& body) {
  RequestOrigin origin;
  origin.catalog = &catalog();
  origin.external_id = "req-1";
  origin.tenant = "tenant";
  origin.route = "/v1/embeddings";
  origin.timeout_ms = 500;
  return parse_embedding_request(body, origin);
}

struct Bench {
  explicit Bench(ScriptedService::Script script = {})
      : service(std::move(script)), context({}, service, models, &metrics) {
    context.clock = [this] { return now; };
  }
  std::unique_ptr<Exchange> posted(std::string body) {
    RequestHead head;
    head.method = "POST";
    head.target = "/v1/embeddings";
    head.fields = {{"Host", "localhost"}};
    auto made = std::make_unique<Exchange>(context, std::move(head), SteadyTime{}, [this] { ++wakes; });
    REQUIRE(made->on_head() == Exchange::Next::kReadBody);
    made->on_body(std::move(body));
    return made;
  }

  ModelCatalog models = tiny_catalog();
  ScriptedService service;
  Metrics metrics;
  HttpContext context;
  SteadyTime now{std::chrono::seconds(9)};
  int wakes = 0;
};

void answer(ResponseStream& stream, std::vector<float> vector, std::uint32_t tokens) {
  stream.accept(tokens, 0, "class-1", false);
  stream.embed(std::move(vector));
  stream.finish(FinishReason::kStop, Usage{tokens, 0, 0}, {});
}

std::string list_of(std::size_t inputs) { return R"({"input":[)" + repeated("\"x\"", inputs) + "]}"; }

}  // namespace

TEST_CASE("base64 is that of RFC 4648, section 10") {
  for (auto [text, expected] : {std::pair{"", ""},
                                {"f", "Zg=="},
                                {"fo", "Zm8="},
                                {"foo", "Zm9v"},
                                {"foob", "Zm9vYg=="},
                                {"fooba", "Zm9vYmE="},
                                {"foobar", "Zm9vYmFy"}}) {
    std::string_view bytes = text;
    std::string out = ">";
    append_base64(out, std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
    CHECK(out == ">" + std::string(expected));
  }
  const std::uint8_t high[] = {0xFB, 0xFF, 0xBF};
  std::string out;
  append_base64(out, high);
  CHECK(out == "+/+/");
}

TEST_CASE("embedding schema: the four spellings of input become a sequence an input, with its index") {
  struct Row {
    const char* input;
    std::size_t count;
  };
  for (const Row& row : {Row{R"("ab")", 1}, Row{R"(["a","b","c"])", 3}, Row{"[1,2,255]", 1}, Row{"[[1,2],[3]]", 2}}) {
    CAPTURE(row.input);
    auto request = embedding(R"({"input":)" + std::string(row.input) + "}");
    REQUIRE(request.ok());
    CHECK(request->kind == ApiKind::kEmbedding);
    CHECK_FALSE(request->base64);
    REQUIRE(request->sequences.size() == row.count);
    for (std::size_t i = 0; i < row.count; ++i) {
      const Request& sequence = request->sequences[i];
      CHECK(sequence.choice == i);
      CHECK(sequence.pooling == Pooling::kMean);
      CHECK(sequence.stop.max_tokens == 1);
      CHECK(sequence.tenant == "tenant");
      CHECK(std::string(sequence.route) == "/v1/embeddings");
      CHECK(sequence.deadline.has_value());
    }
  }
  auto ids = embedding(R"({"input":[[1,2],[3]]})");
  CHECK(std::get<std::vector<TokenId>>(ids->sequences[1].prompt) == std::vector<TokenId>{3});
  auto all = embedding(R"({"model":"tiny","input":"x","encoding_format":"base64","dimensions":3,"pooling":"last",
                           "user":"me","priority":4,"cache_salt":"s","timeout_ms":100,"unknown":1})");
  REQUIRE(all.ok());
  CHECK(all->base64);
  const Request& sequence = all->sequences[0];
  CHECK(sequence.pooling == Pooling::kLast);
  CHECK(sequence.user == "me");
  CHECK(sequence.priority == 4);
  CHECK(sequence.cache_salt == "s");
  CHECK(*sequence.deadline - sequence.arrived == std::chrono::milliseconds(100));
  CHECK(embedding(R"({"input":"x","encoding_format":"float","pooling":"mean","dimensions":null})").ok());
  CHECK(embedding(list_of(2048)).ok());
}

TEST_CASE("embedding schema: what is wrong is refused with its field, value and limit") {
  struct Row {
    std::string body;
    std::string param;
    ErrorCode code = ErrorCode::kInvalidRequest;
    std::string says = "";
  };
  const Row table[] = {
      {"[]", ""},
      {"{}", "input"},
      {R"({"input":null})", "input"},
      {R"({"input":""})", "input"},
      {R"({"input":5})", "input"},
      {R"({"input":[]})", "input"},
      {R"({"input":[[]]})", "input"},
      {R"({"input":["a",""]})", "input"},
      {R"({"input":["a",1]})", "input"},
      {R"({"input":[1,"a"]})", "input"},
      {R"({"input":[256]})", "input", ErrorCode::kInvalidRequest, "256"},
      {R"({"input":[-1]})", "input"},
      {R"({"input":[1.5]})", "input"},
      {R"({"prompt":"x"})", "input"},
      {list_of(2049), "input", ErrorCode::kInvalidRequest, "2049; at most 2048"},
      {R"({"input":[)" + repeated("1", 65) + "]}", "input", ErrorCode::kContextLengthExceeded, "65 tokens"},
      {R"({"input":")" + std::string(16 * 64 + 1, 'x') + "\"}", "input", ErrorCode::kContextLengthExceeded,
       "64 tokens"},
      {R"({"input":"x","encoding_format":"hex"})", "encoding_format", ErrorCode::kInvalidRequest, "hex"},
      {R"({"input":"x","encoding_format":5})", "encoding_format"},
      {R"({"input":"x","pooling":"max"})", "pooling", ErrorCode::kInvalidRequest, "\"mean\" or \"last\""},
      {R"({"input":"x","dimensions":2})", "dimensions", ErrorCode::kUnsupported, "2; this model's embeddings have 3"},
      {R"({"input":"x","dimensions":4})", "dimensions", ErrorCode::kInvalidRequest, "between 1 and 3"},
      {R"({"input":"x","dimensions":0})", "dimensions"},
      {R"({"input":"x","timeout_ms":0})", "timeout_ms"},
      {R"({"input":"x","model":"gpt"})", "model", ErrorCode::kModelNotFound},
  };
  for (const Row& row : table) {
    CAPTURE(row.body.substr(0, 80));
    auto request = embedding(row.body);
    REQUIRE_FALSE(request.ok());
    CHECK(request.error().code == row.code);
    CHECK(request.error().param == row.param);
    CHECK_THAT(request.error().message, Catch::Contains(row.says));
  }
  ModelCard card = tiny_catalog().cards().front();
  card.embedding_size = 0;
  ModelCatalog without({card});
  RequestOrigin origin;
  origin.catalog = &without;
  CHECK(parse_embedding_request(R"({"input":"x"})", origin).error().code == ErrorCode::kUnsupported);
}

TEST_CASE("embedding answer: vectors in the order of the inputs, as numbers or as the bytes of their floats") {
  auto request = embedding(R"({"input":["a","b"]})");
  REQUIRE(request.ok());
  ResponseStream::Chunk chunks[2];
  chunks[0].embedding = {0.5F, -1e-9F, 0.1F};
  chunks[0].usage.prompt_tokens = 4;
  chunks[1].embedding = {1.0F, 0.0F, -2.0F};
  chunks[1].usage.prompt_tokens = 3;
  std::string out;
  append_embeddings(out, *request, chunks);
  CHECK(json::parse(out) == json::parse(R"({"object":"list","data":[
    {"object":"embedding","index":0,"embedding":[0.5,-1e-9,0.1]},
    {"object":"embedding","index":1,"embedding":[1,0,-2]}],
    "model":"tiny","usage":{"prompt_tokens":7,"total_tokens":7}})"));
  request->base64 = true;
  out.clear();
  append_embeddings(out, *request, chunks);
  json::value answer = json::parse(out);
  // struct.pack("<3f", 1, 0, -2) in base64.
  CHECK(answer.at("data").at(1).at("embedding") == "AACAPwAAAAAAAADA");
  CHECK(answer.at("data").at(0).at("index") == 0);
}

TEST_CASE("exchange: embeddings answer when all inputs have theirs, in their order, and are counted by their route") {
  Bench bench;
  auto exchange = bench.posted(R"({"input":["a","b"]})");
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  answer(*bench.service.stream(1), {0, 1, 0}, 5);
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  answer(*bench.service.stream(0), {1, 0, 0}, 2);
  REQUIRE(exchange->poll() == Exchange::State::kAnswer);
  Answer made = exchange->take_answer();
  CHECK(made.status == 200);
  json::value body = json::parse(made.body);
  CHECK(body.at("data").at(0).at("embedding") == json::parse("[1,0,0]"));
  CHECK(body.at("data").at(1).at("embedding") == json::parse("[0,1,0]"));
  CHECK(body.at("usage").at("total_tokens") == 7);
  CHECK(bench.metrics.http_requests.value(HttpRoute::kEmbeddings, HttpStatus::k200) == 1);
  CHECK(bench.service.request(0).pooling == Pooling::kMean);
  auto refused = bench.posted(R"({"input":7})");
  REQUIRE(refused->poll() == Exchange::State::kAnswer);
  CHECK(refused->take_answer().status == 400);
  CHECK(bench.metrics.http_requests.value(HttpRoute::kEmbeddings, HttpStatus::k400) == 1);
}

TEST_CASE("contract 4: of a long list so many inputs run at a time, and the next arrive when one has its vector") {
  Bench bench;
  auto exchange = bench.posted(list_of(kEmbeddingsAtOnce + 2));
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  CHECK(bench.service.count() == kEmbeddingsAtOnce);
  CHECK(bench.service.request(0).arrived == SteadyTime{});
  bench.now += std::chrono::seconds(1);
  answer(*bench.service.stream(5), {1, 0, 0}, 1);
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  CHECK(bench.service.count() == kEmbeddingsAtOnce + 1);
  CHECK(bench.service.request(kEmbeddingsAtOnce).arrived == bench.now);
  CHECK(bench.service.request(kEmbeddingsAtOnce).choice == kEmbeddingsAtOnce);
  for (std::size_t i = 0; i < kEmbeddingsAtOnce + 1; ++i) {
    if (i != 5) answer(*bench.service.stream(i), {1, 0, 0}, 1);
  }
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  answer(*bench.service.stream(kEmbeddingsAtOnce + 1), {0, 0, 1}, 1);
  REQUIRE(exchange->poll() == Exchange::State::kAnswer);
  json::value body = json::parse(exchange->take_answer().body);
  CHECK(body.at("data").as_array().size() == kEmbeddingsAtOnce + 2);
  CHECK(body.at("data").at(kEmbeddingsAtOnce + 1).at("embedding") == json::parse("[0,0,1]"));

  Bench at_once([](const Request&, ResponseStream& stream) { answer(stream, {1, 0, 0}, 2); });
  auto quick = at_once.posted(list_of(300));
  REQUIRE(quick->poll() == Exchange::State::kAnswer);
  CHECK(json::parse(quick->take_answer().body).at("usage").at("total_tokens") == 600);
}

TEST_CASE("exchange: an input refused later is the answer, the others end and none follows") {
  Bench bench;
  auto exchange = bench.posted(list_of(kEmbeddingsAtOnce + 5));
  answer(*bench.service.stream(0), {1, 0, 0}, 1);
  CHECK(exchange->poll() == Exchange::State::kWaiting);
  bench.service.stream(kEmbeddingsAtOnce)->fail({ErrorCode::kQueueFull, "the queue is full", "", 3});
  REQUIRE(exchange->poll() == Exchange::State::kAnswer);
  CHECK(exchange->take_answer().status == 429);
  CHECK(bench.service.cancel_of(1).has_value());
  CHECK(bench.service.count() == kEmbeddingsAtOnce + 1);
}

TEST_CASE("D5: a client that leaves cancels its inputs that run") {
  Bench bench;
  bench.posted(list_of(2)).reset();
  CHECK(bench.service.cancel_of(0) == CancelReason::kClientGone);
  CHECK(bench.service.cancel_of(1) == CancelReason::kClientGone);
}
