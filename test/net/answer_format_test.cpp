// The objects of answers, chunk by chunk, against OpenAI's documented shapes.
#include "net/schema/answer_format.hpp"

#include <boost/json.hpp>
#include <catch2/catch.hpp>

#include "net/schema/error_object.hpp"
#include "net/schema/model_list.hpp"
#include "test/net/scripted_service.hpp"

using namespace troupe;
namespace json = boost::json;

namespace {

json::value parsed(const std::string& text) {
  CAPTURE(text);
  json::error_code failed;
  json::value value = json::parse(text, failed);
  REQUIRE_FALSE(failed);
  return value;
}

AnswerShape shape(ApiKind kind) {
  static const ModelCatalog catalog = test::tiny_catalog();
  AnswerShape made;
  made.kind = kind;
  made.id = "cmpl-1";
  made.created_s = 7;
  made.model = "tiny";
  made.system_fingerprint = "class-1";
  made.codec = catalog.cards().front().codec.get();
  return made;
}

StreamToken token(TokenId id, float logprob, std::uint32_t text_begin, std::vector<TopToken> top = {}) {
  StreamToken made;
  made.id = id;
  made.logprob = logprob;
  made.text_begin = text_begin;
  made.top = std::move(top);
  return made;
}

ResponseStream::Chunk finished(const std::string& text, FinishReason reason, Usage usage) {
  ResponseStream::Chunk chunk;
  chunk.phase = StreamPhase::kFinished;
  chunk.text = text;
  chunk.finish = reason;
  chunk.usage = usage;
  return chunk;
}

}  // namespace

TEST_CASE("answer: a whole completion counts a prompt once, however many choices it has") {
  AnswerShape two_each = shape(ApiKind::kCompletion);
  two_each.choices_per_prompt = 2;
  const ResponseStream::Chunk chunks[] = {
      finished("a", FinishReason::kStop, {5, 1, 4}), finished("b", FinishReason::kLength, {5, 2, 5}),
      finished("c", FinishReason::kStop, {7, 3, 0}), finished("d", FinishReason::kStop, {7, 4, 6})};
  std::string out;
  AnswerFormat(two_each).append_whole(out, chunks);
  json::value answer = parsed(out);
  CHECK(answer.at("id") == "cmpl-1");
  CHECK(answer.at("object") == "text_completion");
  CHECK(answer.at("created") == 7);
  CHECK(answer.at("model") == "tiny");
  CHECK(answer.at("system_fingerprint") == "class-1");
  CHECK(answer.at("choices").as_array().size() == 4);
  CHECK(answer.at("choices").at(1) == parsed(R"({"index":1,"text":"b","logprobs":null,"finish_reason":"length"})"));
  CHECK(answer.at("usage") == parsed(R"({"prompt_tokens":12,"completion_tokens":10,"total_tokens":22,
                                         "prompt_tokens_details":{"cached_tokens":4}})"));
  CHECK_FALSE(answer.as_object().contains("text"));
}

TEST_CASE("answer: timings are of the choice that took longest, in milliseconds") {
  ResponseStream::Chunk quick = finished("a", FinishReason::kStop, {1, 1, 0});
  ResponseStream::Chunk slow = quick;
  slow.stages[Stage::kQueue] = std::chrono::microseconds(1500);
  slow.stages[Stage::kDecode] = std::chrono::milliseconds(2);
  quick.cached = true;
  const ResponseStream::Chunk chunks[] = {quick, slow};
  std::string out;
  AnswerFormat(shape(ApiKind::kCompletion)).append_whole(out, chunks);
  CHECK(
      parsed(out).at("timings") ==
      parsed(R"({"receive_ms":0,"tokenize_ms":0,"cache_ms":0,"queue_ms":1.5,"prefill_ms":0,"decode_ms":2,"deliver_ms":0,
                   "total_ms":3.5,"cached":false})"));
}

TEST_CASE("R192: with guide_compat the text also stands at the top level") {
  AnswerShape compat = shape(ApiKind::kCompletion);
  compat.guide_compat = true;
  const ResponseStream::Chunk chunks[] = {finished("hello", FinishReason::kStop, {1, 1, 0})};
  std::string out;
  AnswerFormat(compat).append_whole(out, chunks);
  CHECK(parsed(out).at("text") == "hello");
}

TEST_CASE("answer: a whole chat has a message with logprobs, bytes and alternatives") {
  AnswerShape chat = shape(ApiKind::kChat);
  chat.logprobs = true;
  ResponseStream::Chunk chunk = finished("é", FinishReason::kStop, {3, 2, 0});
  chunk.tokens = {token(0xC3, -0.5F, 0, {{0xC3, -0.5F}, {'z', -2.0F}}), token(0xA9, -0.25F, 0)};
  std::string out;
  AnswerFormat(chat).append_whole(out, std::span(&chunk, 1));
  json::value answer = parsed(out);
  CHECK(answer.at("object") == "chat.completion");
  CHECK(answer.at("choices").at(0) == parsed(R"({"index":0,"message":{"role":"assistant","content":"é","refusal":null},
      "logprobs":{"content":[
        {"token":"\ufffd","logprob":-0.5,"bytes":[195],"top_logprobs":[
           {"token":"\ufffd","logprob":-0.5,"bytes":[195]},{"token":"z","logprob":-2,"bytes":[122]}]},
        {"token":"\ufffd","logprob":-0.25,"bytes":[169],"top_logprobs":[]}],"refusal":null},
      "finish_reason":"stop"})"));
}

TEST_CASE("answer: completion logprobs list the chosen token and offsets in characters, across chunks") {
  AnswerShape with = shape(ApiKind::kCompletion);
  with.logprobs = true;
  AnswerFormat format(with);
  TextPosition position;
  ResponseStream::Chunk first;
  first.phase = StreamPhase::kAccepted;
  first.text = "éé";
  first.tokens = {token('a', -1.0F, 0, {{'b', -0.5F}}), token('c', -0.25F, 2, {{'c', -0.25F}})};
  std::string out;
  format.append_delta(out, 0, first, position);
  CHECK(parsed(out).at("choices").at(0).at("logprobs") == parsed(R"({"tokens":["a","c"],"token_logprobs":[-1,-0.25],
      "top_logprobs":[{"b":-0.5,"a":-1},{"c":-0.25}],"text_offset":[0,1]})"));
  ResponseStream::Chunk second = finished("x", FinishReason::kStop, {});
  second.tokens = {token('x', -std::numeric_limits<float>::infinity(), 4)};
  out.clear();
  format.append_delta(out, 0, second, position);
  json::value choice = parsed(out).at("choices").at(0);
  CHECK(choice.at("logprobs").at("text_offset") == parsed("[2]"));
  CHECK(choice.at("logprobs").at("token_logprobs") == parsed("[-9999.0]"));
  CHECK(choice.at("finish_reason") == "stop");
}

TEST_CASE("answer: a chat's stream begins with the role, goes on with content and ends with an empty delta") {
  AnswerShape chat = shape(ApiKind::kChat);
  chat.include_usage = true;
  AnswerFormat format(chat);
  std::string out;
  format.append_role(out, 2);
  CHECK(parsed(out) == parsed(R"({"id":"cmpl-1","object":"chat.completion.chunk","created":7,"model":"tiny",
      "system_fingerprint":"class-1","choices":[{"index":2,"delta":{"role":"assistant","content":""},"logprobs":null,
      "finish_reason":null}],"usage":null})"));
  TextPosition position;
  ResponseStream::Chunk chunk;
  chunk.phase = StreamPhase::kAccepted;
  chunk.text = "hi";
  out.clear();
  format.append_delta(out, 2, chunk, position);
  CHECK(parsed(out).at("choices").at(0) ==
        parsed(R"({"index":2,"delta":{"content":"hi"},"logprobs":null,"finish_reason":null})"));
  out.clear();
  format.append_delta(out, 2, finished("", FinishReason::kLength, {}), position);
  CHECK(parsed(out).at("choices").at(0) ==
        parsed(R"({"index":2,"delta":{},"logprobs":null,"finish_reason":"length"})"));
  CHECK(position.bytes == 2);
  const ChoiceEnd ends[] = {{{3, 4, 1}, {}, true}};
  out.clear();
  format.append_usage(out, ends);
  json::value usage = parsed(out);
  CHECK(usage.at("choices").as_array().empty());
  CHECK(usage.at("usage").at("total_tokens") == 7);
  CHECK(usage.at("timings").at("cached") == true);
}

TEST_CASE("errors have OpenAI's shape, a status for every code, and a bounded message") {
  std::string out;
  append_error_object(out, {ErrorCode::kModelNotFound, "no \"x\"", "model", 0});
  CHECK(parsed(out) == parsed(R"({"error":{"message":"no \"x\"","type":"invalid_request_error","param":"model",
                                           "code":"model_not_found"}})"));
  out.clear();
  append_error_object(out, {ErrorCode::kInvalidRequest, std::string(100'000, 'x'), "", 0});
  CHECK(out.size() < 1200);
  CHECK(parsed(out).at("error").at("param").is_null());
  for (int code = 0; code <= static_cast<int>(ErrorCode::kConfiguration); ++code) {
    int status = http_status_of(static_cast<ErrorCode>(code));
    CHECK((status >= 400 && status <= 504));
  }
  CHECK(http_status_of(ErrorCode::kQueueFull) == 429);
  CHECK(http_status_of(ErrorCode::kUnsupported) == 400);
}

TEST_CASE("models are listed in OpenAI's shape") {
  ModelCatalog catalog = test::tiny_catalog();
  json::value list = parsed(model_list(catalog));
  CHECK(list.at("object") == "list");
  CHECK(list.at("data").at(0).at("id") == "tiny");
  CHECK(list.at("data").at(0).at("object") == "model");
  CHECK(list.at("data").at(0).at("created") == 1700000000);
  CHECK(list.at("data").at(0).at("max_model_len") == 64);
  CHECK(parsed(version_object("1.2", catalog)) ==
        parsed(R"({"version":"1.2","model":"tiny","device":"scripted","numerics_class":"class-1"})"));
}
