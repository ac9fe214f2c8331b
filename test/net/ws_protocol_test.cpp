#include "net/ws/ws_protocol.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <catch2/catch.hpp>

#include "net/ws/frame_meter.hpp"
#include "net/ws/ws_generation.hpp"
#include "net/ws/ws_handshake.hpp"

using namespace troupe;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

json::object object_of(const std::string& text) { return json::parse(text).as_object(); }

std::string text_of(const json::value& value) { return std::string(value.as_string()); }

void append(ResponseStream& stream, TokenId id, std::string_view text) {
  StreamToken token[1];
  token[0].id = id;
  stream.append(token, text);
}

// What a reader of all choices is told, in order.
std::vector<json::object> read_all(WsGeneration& generation) {
  std::vector<std::string> messages;
  for (std::uint32_t i = 0; i < generation.choices(); ++i) generation.read(i, messages);
  std::vector<json::object> out;
  for (const std::string& message : messages) out.push_back(object_of(message));
  return out;
}

std::vector<std::string> types_of(const std::vector<json::object>& messages) {
  std::vector<std::string> out;
  for (const json::object& message : messages) out.push_back(text_of(message.at("type")));
  return out;
}

WsGeneration generation_of(std::vector<std::shared_ptr<ResponseStream>> streams, std::uint32_t choices_per_prompt = 1) {
  WsGenerationFacts facts;
  facts.id = "a";
  facts.request_id = "r-1";
  facts.model = "tiny";
  facts.choices_per_prompt = choices_per_prompt;
  return {std::move(facts), std::move(streams)};
}

using Types = std::vector<std::string>;

}  // namespace

TEST_CASE("a WebSocket message that is wrong is refused, naming the field and keeping a valid id") {
  struct Row {
    const char* text;
    const char* id;
    const char* param;
  };
  const Row rows[] = {
      {"", "", ""},
      {"hello", "", ""},
      {"[]", "", ""},
      {"{}", "", "type"},
      {R"({"type":7,"id":"a"})", "a", "type"},
      {R"({"type":"resume","id":"a"})", "a", "type"},
      {R"({"type":"cancel"})", "", "id"},
      {R"({"type":"cancel","id":""})", "", "id"},
      {R"({"type":"cancel","id":5})", "", "id"},
      {R"({"type":"cancel","id":"a\u0007"})", "", "id"},
      {R"({"type":"submit","id":"a"})", "a", "request"},
      {R"({"type":"submit","id":"a","request":"hi"})", "a", "request"},
      {R"({"type":"submit","id":"a","request":{},"kind":"image"})", "a", "kind"},
      {R"({"type":"submit","id":"a","request":{},"kind":1})", "a", "kind"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    WsClientMessage parsed = parse_ws_message(row.text);
    REQUIRE_FALSE(parsed.message.ok());
    CHECK(parsed.id == row.id);
    CHECK(parsed.message.error().code == ErrorCode::kInvalidRequest);
    CHECK(parsed.message.error().param == row.param);
    CHECK_FALSE(parsed.message.error().message.empty());
  }
  CHECK_FALSE(parse_ws_message(R"({"type":"cancel","id":")" + std::string(65, 'a') + R"("})").message.ok());
  CHECK_FALSE(parse_ws_message(std::string(100'000, '[')).message.ok());
}

TEST_CASE("submit, cancel and ping are understood, and the kind of a request is seen by its fields") {
  auto ping = parse_ws_message(R"({"type":"ping"})");
  REQUIRE(ping.message.ok());
  CHECK(std::holds_alternative<WsPing>(ping.message.value()));

  auto cancel = parse_ws_message(R"({"type":"cancel","id":"x 1"})");
  REQUIRE(cancel.message.ok());
  CHECK(cancel.id == "x 1");
  CHECK(std::holds_alternative<WsCancel>(cancel.message.value()));

  auto kind_of = [](const char* text) {
    auto parsed = parse_ws_message(text);
    REQUIRE(parsed.message.ok());
    return std::get<WsSubmit>(parsed.message.value()).kind;
  };
  CHECK(kind_of(R"({"type":"submit","id":"a","request":{"messages":[]}})") == ApiKind::kChat);
  CHECK(kind_of(R"({"type":"submit","id":"a","request":{"prompt":"x"}})") == ApiKind::kCompletion);
  CHECK(kind_of(R"({"type":"submit","id":"a","kind":null,"request":{"prompt":"x"}})") == ApiKind::kCompletion);
  CHECK(kind_of(R"({"type":"submit","id":"a","kind":"chat","request":{"prompt":"x"}})") == ApiKind::kChat);
  CHECK(kind_of(R"({"type":"submit","id":"a","kind":"completion","request":{"messages":[]}})") == ApiKind::kCompletion);

  auto submit = parse_ws_message(R"({"type":"submit","id":"a","request":{"prompt":"x","seed":9007199254740993}})");
  REQUIRE(submit.message.ok());
  CHECK(json::serialize(std::get<WsSubmit>(submit.message.value()).request) ==
        R"({"prompt":"x","seed":9007199254740993})");
}

TEST_CASE("an error message carries the error object of the HTTP API, the id and when to come back") {
  auto error = object_of(ws_error("a", {ErrorCode::kQueueFull, "the queue is full", "", 7}));
  CHECK(text_of(error.at("type")) == "error");
  CHECK(text_of(error.at("id")) == "a");
  CHECK(error.at("retry_after_s").as_int64() == 7);
  CHECK(text_of(error.at("error").at("message")) == "the queue is full");
  CHECK(text_of(error.at("error").at("type")) == "rate_limit_error");
  CHECK(text_of(error.at("error").at("code")) == "queue_full");
  CHECK(error.at("error").at("param").is_null());

  auto nameless = object_of(ws_error("", {ErrorCode::kInvalidRequest, "bad \"id\"", "id", 0}));
  CHECK_FALSE(nameless.contains("id"));
  CHECK_FALSE(nameless.contains("retry_after_s"));
  CHECK(text_of(nameless.at("error").at("param")) == "id");
}

TEST_CASE("a generation tells its story in order: accepted, tokens, finished") {
  auto stream = std::make_shared<ResponseStream>(1);
  WsGeneration generation = generation_of({stream});
  CHECK(read_all(generation).empty());

  stream->accept(3, 1, "class", false);
  auto first = read_all(generation);
  REQUIRE(types_of(first) == Types{"accepted"});
  CHECK(text_of(first[0].at("model")) == "tiny");
  CHECK(text_of(first[0].at("request_id")) == "r-1");
  CHECK(text_of(first[0].at("system_fingerprint")) == "class");
  CHECK(first[0].at("choices").as_int64() == 1);

  append(*stream, 10, "he");
  append(*stream, 11, "llo");
  auto second = read_all(generation);
  REQUIRE(types_of(second) == Types{"tokens"});  // what came in between is one message
  CHECK(text_of(second[0].at("text")) == "hello");
  CHECK(second[0].at("seq").as_int64() == 2);
  CHECK(second[0].at("choice").as_int64() == 0);
  CHECK_FALSE(second[0].contains("finish_reason"));
  CHECK(read_all(generation).empty());

  append(*stream, 12, "!");
  StageTimes stages;
  stages[Stage::kQueue] = 2ms;
  stream->finish(FinishReason::kLength, Usage{3, 3, 1}, stages);
  auto last = read_all(generation);
  REQUIRE(types_of(last) == Types{"tokens", "finished"});
  CHECK(last[0].at("seq").as_int64() == 3);
  CHECK(text_of(last[0].at("finish_reason")) == "length");
  CHECK(text_of(last[1].at("finish_reason")) == "length");
  CHECK(last[1].at("usage").at("prompt_tokens").as_int64() == 3);
  CHECK(last[1].at("usage").at("completion_tokens").as_int64() == 3);
  CHECK(last[1].at("usage").at("total_tokens").as_int64() == 6);
  CHECK(last[1].at("usage").at("prompt_tokens_details").at("cached_tokens").as_int64() == 1);
  CHECK(last[1].at("timings").at("queue_ms").to_number<double>() == 2.0);
  CHECK(generation.is_ended());
  CHECK(read_all(generation).empty());
}

TEST_CASE("a generation with several choices ends once, when the last one has") {
  std::vector<std::shared_ptr<ResponseStream>> streams;
  for (RequestId id = 1; id <= 4; ++id) streams.push_back(std::make_shared<ResponseStream>(id));
  WsGeneration generation = generation_of(streams, 2);  // two prompts, two choices each
  for (auto& stream : streams) {
    stream->accept(5, 0, "class", false);
    append(*stream, 1, "x");
  }
  for (int i = 0; i < 3; ++i) streams[static_cast<std::size_t>(i)]->finish(FinishReason::kStop, Usage{5, 1, 0}, {});
  CHECK(types_of(read_all(generation)) == Types{"accepted", "tokens", "tokens", "tokens", "tokens"});
  CHECK_FALSE(generation.is_ended());
  streams[3]->finish(FinishReason::kLength, Usage{5, 1, 0}, {});
  auto last = read_all(generation);
  REQUIRE(types_of(last) == Types{"tokens", "finished"});
  CHECK(last[0].at("choice").as_int64() == 3);
  CHECK(last[1].at("usage").at("prompt_tokens").as_int64() == 10);  // each prompt once
  CHECK(last[1].at("usage").at("completion_tokens").as_int64() == 4);
}

TEST_CASE("a generation that is refused has one message: the error") {
  auto stream = std::make_shared<ResponseStream>(1);
  WsGeneration generation = generation_of({stream});
  stream->fail({ErrorCode::kQueueFull, "full", "", 2});
  CHECK(types_of(read_all(generation)) == Types{"error"});
  CHECK(generation.is_ended());
  REQUIRE(generation.error() != nullptr);
  CHECK(generation.error()->code == ErrorCode::kQueueFull);
}

TEST_CASE("a generation that fails half-way shows what there was, then the error, and cancels its other choices") {
  auto first = std::make_shared<ResponseStream>(1);
  auto second = std::make_shared<ResponseStream>(2);
  int cancels = 0;
  second->set_canceller([&](CancelReason) { ++cancels; });
  WsGeneration generation = generation_of({first, second}, 2);
  first->accept(1, 0, "class", false);
  append(*first, 1, "par");
  first->fail({ErrorCode::kInternal, "broken", "", 0});
  CHECK(types_of(read_all(generation)) == Types{"accepted", "tokens", "error"});
  CHECK(cancels == 1);
  CHECK(generation.is_ended());
}

TEST_CASE("a cancelled generation says so, and a passed deadline is an error") {
  auto asked = std::make_shared<ResponseStream>(1);
  WsGeneration cancelled = generation_of({asked});
  asked->accept(4, 0, "class", false);
  append(*asked, 1, "x");
  asked->cancelled(CancelReason::kClientAsked);
  auto messages = read_all(cancelled);
  REQUIRE(types_of(messages) == Types{"accepted", "tokens", "cancelled"});
  CHECK(messages[2].at("usage").at("completion_tokens").as_int64() == 1);
  CHECK(cancelled.error() == nullptr);

  auto late = std::make_shared<ResponseStream>(2);
  WsGeneration expired = generation_of({late});
  late->accept(4, 0, "class", false);
  late->cancelled(CancelReason::kDeadline);
  auto ends = read_all(expired);
  REQUIRE(types_of(ends) == Types{"error"});
  CHECK(text_of(ends[0].at("error").at("code")) == "deadline_exceeded");
}

TEST_CASE("a frame meter counts frames, control frames and bytes however the stream is cut") {
  WsLimits limits;
  limits.message_bytes_max = 1000;
  limits.frames_max = 3;
  limits.control_frames_max = 2;
  using Excess = FrameMeter::Excess;
  auto frame = [](std::uint8_t first, std::size_t length) {
    std::vector<std::uint8_t> out = {first};
    if (length < 126) {
      out.push_back(static_cast<std::uint8_t>(0x80U | length));
    } else {
      out.insert(out.end(), {0xFE, static_cast<std::uint8_t>(length >> 8U), static_cast<std::uint8_t>(length & 0xFFU)});
    }
    out.insert(out.end(), 4 + length, 0x81);  // mask and payload: bytes that look like headers
    return out;
  };
  constexpr std::uint8_t kTextBegin = 0x01, kMore = 0x00, kLast = 0x80, kText = 0x81, kPing = 0x89;
  struct Row {
    std::vector<std::pair<std::uint8_t, std::size_t>> frames;
    Excess expected;  // at the last frame
  };
  const Row rows[] = {
      {{{kText, 0}, {kText, 1000}, {kText, 1000}}, Excess::kNone},
      {{{kText, 1001}}, Excess::kBytes},
      {{{kTextBegin, 600}, {kLast, 401}}, Excess::kBytes},
      {{{kTextBegin, 0}, {kMore, 0}, {kLast, 5}, {kTextBegin, 0}, {kMore, 0}, {kLast, 0}}, Excess::kNone},
      {{{kTextBegin, 0}, {kMore, 0}, {kMore, 0}, {kMore, 0}}, Excess::kFrames},
      {{{kPing, 100}, {kPing, 0}}, Excess::kNone},
      {{{kTextBegin, 1}, {kPing, 0}, {kPing, 0}, {kMore, 1}, {kPing, 0}}, Excess::kControlFrames},
  };
  for (std::size_t piece : {1UL, 3UL, 100'000UL}) {
    for (const Row& row : rows) {
      FrameMeter meter(limits);
      Excess last = Excess::kNone;
      for (auto [first, length] : row.frames) {
        REQUIRE(last == Excess::kNone);
        auto bytes = frame(first, length);
        for (std::size_t i = 0; i < bytes.size(); i += piece) {
          Excess excess = meter.add(std::span(bytes).subspan(i, std::min(piece, bytes.size() - i)), SteadyTime(1000s));
          if (excess != Excess::kNone) last = excess;
        }
      }
      CHECK(last == row.expected);
    }
  }
  FrameMeter meter(limits);
  const std::vector<std::uint8_t> huge = {0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3, 4};
  CHECK(meter.add(huge, SteadyTime(1000s)) == Excess::kBytes);
}

TEST_CASE("control frames are counted per window of time") {
  WsLimits limits;
  limits.control_frames_max = 2;
  limits.control_window = 10s;
  FrameMeter meter(limits);
  const std::vector<std::uint8_t> ping = {0x89, 0x80, 1, 2, 3, 4};
  SteadyTime now{1000s};
  for (int i = 0; i < 20; ++i) {
    CHECK(meter.add(ping, now) == FrameMeter::Excess::kNone);
    now += 5s;
  }
  CHECK(meter.add(ping, now) == FrameMeter::Excess::kNone);
  CHECK(meter.add(ping, now) == FrameMeter::Excess::kNone);
  CHECK(meter.add(ping, now) == FrameMeter::Excess::kControlFrames);
}

TEST_CASE("Sec-WebSocket-Key is 16 bytes in base64 and nothing else") {
  CHECK(is_ws_key("dGhlIHNhbXBsZSBub25jZQ=="));  // the example of RFC 6455 section 1.3
  CHECK(is_ws_key("AAAAAAAAAAAAAAAAAAAAAA=="));
  for (const char* key : {"", "=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZR==",
                          "dGhlIHNhbXBsZSBub25jZSE=", "dGhlIHNhbXBsZSBub25j!Q==", "dGhlIHNhbXBsZSBub25jZQ==AAAA",
                          "AAAAAAAAAAAAAAAAAAAAAAAA"}) {
    INFO(key);
    CHECK_FALSE(is_ws_key(key));
  }
}

TEST_CASE("pages of other origins are refused unless they are listed") {
  CHECK(is_origin_allowed("", "host:8080", {}));
  CHECK(is_origin_allowed("http://host:8080", "host:8080", {}));
  CHECK(is_origin_allowed("https://Host:8080", "host:8080", {}));
  CHECK_FALSE(is_origin_allowed("http://host:8081", "host:8080", {}));
  CHECK_FALSE(is_origin_allowed("http://host:8080.evil.org", "host:8080", {}));
  CHECK_FALSE(is_origin_allowed("http://", "", {}));
  CHECK_FALSE(is_origin_allowed("null", "host:8080", {}));
  CHECK(is_origin_allowed("https://app.example", "host:8080", {"https://app.example"}));
  CHECK_FALSE(is_origin_allowed("http://app.example", "host:8080", {"https://app.example"}));
  CHECK(is_origin_allowed("null", "host:8080", {"*"}));
}

TEST_CASE("the subprotocol is answered when it was offered") {
  CHECK(choose_ws_protocol("") == "");
  CHECK(choose_ws_protocol("chat, superchat") == "");
  CHECK(choose_ws_protocol("troupe.v1") == "troupe.v1");
  CHECK(choose_ws_protocol("chat ,\ttroupe.v1 , x") == "troupe.v1");
  CHECK(choose_ws_protocol("troupe.v12,,") == "");
}
