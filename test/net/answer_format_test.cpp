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
  two_each.choices_per_prompt = two_each.shown_per_prompt = 2;
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

namespace {

// "né" of three tokens, the first a token that is not shown.
std::shared_ptr<const PromptPart> example_prompt() {
  auto prompt = std::make_shared<PromptPart>();
  prompt->text = "né";
  prompt->tokens = {{'n', 0, {}},
                    {0xC3, 1, {-0.5F, 1, {{0xC3, -0.5F}, {'z', -2.0F}}}},
                    {0xA9, 1, {-4.0F, 9, {{'q', -0.25F}, {'r', -1.5F}}}}};
  return prompt;
}

}  // namespace

TEST_CASE("answer: an echo begins with the prompt, its tokens and its offsets, whole and in a stream's first chunk") {
  AnswerShape echo = shape(ApiKind::kCompletion);
  echo.echo = echo.logprobs = true;
  echo.alternatives = 1;
  AnswerFormat format(echo);
  ResponseStream::Chunk chunk = finished("x", FinishReason::kStop, {3, 1, 0});
  chunk.tokens = {token('x', -1.0F, 0, {{'x', -1.0F}})};
  chunk.prompt = example_prompt();
  const char* logprobs = R"({"tokens":["n","\ufffd","\ufffd","x"],"token_logprobs":[null,-0.5,-4,-1],
      "top_logprobs":[null,{"\ufffd":-0.5},{"q":-0.25,"\ufffd":-4},{"x":-1}],"text_offset":[0,1,1,2]})";
  std::string out;
  format.append_whole(out, std::span(&chunk, 1));
  CHECK(parsed(out).at("choices").at(0).at("text") == "néx");
  CHECK(parsed(out).at("choices").at(0).at("logprobs") == parsed(logprobs));
  CHECK_FALSE(parsed(out).at("choices").at(0).as_object().contains("prompt_logprobs"));

  TextPosition position;
  ResponseStream::Chunk first;
  first.phase = StreamPhase::kAccepted;
  first.prompt = chunk.prompt;
  out.clear();
  format.append_delta(out, 0, first, position);
  CHECK(parsed(out).at("choices").at(0).at("text") == "né");
  CHECK(parsed(out).at("choices").at(0).at("logprobs").at("text_offset") == parsed("[0,1,1]"));
  out.clear();
  format.append_delta(out, 0, chunk, position);
  CHECK(parsed(out).at("choices").at(0).at("text") == "x");
  CHECK(parsed(out).at("choices").at(0).at("logprobs").at("tokens") == parsed(R"(["x"])"));
  CHECK(parsed(out).at("choices").at(0).at("logprobs").at("text_offset") == parsed("[2]"));
}

TEST_CASE("answer: prompt_logprobs are vLLM's, of a completion's choice and of a chat as a whole") {
  ResponseStream::Chunk chunk = finished("x", FinishReason::kStop, {3, 1, 0});
  chunk.prompt = example_prompt();
  json::value expected = parsed(R"([null,
      {"195":{"logprob":-0.5,"rank":1,"decoded_token":"\ufffd"}},
      {"169":{"logprob":-4,"rank":9,"decoded_token":"\ufffd"},"113":{"logprob":-0.25,"rank":1,"decoded_token":"q"}}])");
  for (ApiKind kind : {ApiKind::kCompletion, ApiKind::kChat}) {
    AnswerShape with = shape(kind);
    with.prompt_logprobs = 1;
    std::string out;
    AnswerFormat(with).append_whole(out, std::span(&chunk, 1));
    json::value answer = parsed(out);
    const json::value& where = kind == ApiKind::kChat ? answer : answer.at("choices").at(0);
    CHECK(where.at("prompt_logprobs") == expected);
  }
}

TEST_CASE("answer: of best_of answers the likeliest by token are shown, best first, and all are counted") {
  AnswerShape best = shape(ApiKind::kCompletion);
  best.choices_per_prompt = 3, best.shown_per_prompt = 2;
  auto answer = [](const std::string& text, std::initializer_list<float> logprobs) {
    ResponseStream::Chunk chunk =
        finished(text, FinishReason::kStop, {5, static_cast<std::uint32_t>(logprobs.size()), 0});
    for (float logprob : logprobs) chunk.tokens.push_back(token('t', logprob, 0));
    return chunk;
  };
  const ResponseStream::Chunk chunks[] = {
      answer("none", {}), answer("long", {-1, -1, -1, -1}), answer("short", {-2}),      // -4 in all, but -1 a token
      answer("a", {-1}),  answer("b", {-0.5F, -1.5F}),      answer("c", {-3, -0.25F}),  // equal ones in their order
  };
  std::string out;
  AnswerFormat(best).append_whole(out, chunks);
  json::value whole = parsed(out);
  std::vector<std::string> texts;
  for (const json::value& choice : whole.at("choices").as_array()) {
    CHECK(choice.at("index") == texts.size());
    texts.emplace_back(choice.at("text").as_string());
  }
  CHECK(texts == std::vector<std::string>{"long", "short", "a", "b"});
  CHECK(whole.at("usage").at("completion_tokens") == 10);
  CHECK(whole.at("usage").at("prompt_tokens") == 10);
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
