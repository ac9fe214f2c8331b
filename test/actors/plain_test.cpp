// The parts of the actors that are plain code.
#include <catch2/catch.hpp>
#include <limits>

#include "actors/answer_text.hpp"
#include "actors/deadline_table.hpp"
#include "actors/prompt_tokens.hpp"
#include "actors/request_times.hpp"
#include "actors/restart_limit.hpp"
#include "actors/sequence_request.hpp"
#include "actors/step_check.hpp"
#include "actors/thread_plan.hpp"
#include "test/doubles/byte_codec.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {
SteadyTime at(std::chrono::seconds s) { return SteadyTime(s); }

constexpr TokenId kEnds[] = {256};
const ModelBounds kModel{32, 260, kEnds, 4};

Request request_of(std::uint32_t max_tokens) {
  Request request;
  request.id = 7;
  request.stop.max_tokens = max_tokens;
  return request;
}
}  // namespace

TEST_CASE("thread plan gives every core to compute and one in eight to the rest, never none") {
  struct Row {
    std::uint32_t cores, compute, actors, io, text;
  };
  for (Row row : {Row{1, 1, 1, 1, 1}, Row{2, 2, 1, 1, 1}, Row{4, 4, 1, 1, 1}, Row{64, 64, 8, 8, 8}}) {
    ThreadPlan plan = plan_threads(row.cores);
    CHECK(plan.compute == row.compute);
    CHECK(plan.batcher == 1);
    CHECK(plan.actors == row.actors);
    CHECK(plan.io == row.io);
    CHECK(plan.text == row.text);
  }
  CHECK(plan_threads(2).text_nice == 5);
  CHECK(plan_threads(16, 8).compute == 8);
  CHECK(plan_threads(4, 8).compute == 4);  // a quota below the cores there are
  CHECK(plan_threads(16, 8).io == 2);
  CHECK(plan_threads(0).actors == 1);
  CHECK(plan_threads(0).compute == 1);
}

TEST_CASE("R082: restart limit gives up at the third death of three within the window") {
  RestartLimit limit(3, 60s);
  CHECK(limit.died(at(0s)));
  CHECK(limit.died(at(10s)));
  CHECK_FALSE(limit.died(at(60s)));
}

TEST_CASE("restart limit forgets deaths older than the window and those before a sign of life") {
  RestartLimit limit(2, 60s);
  CHECK(limit.died(at(0s)));
  CHECK(limit.died(at(61s)));
  limit.did_work();
  CHECK(limit.died(at(62s)));
  CHECK_FALSE(limit.died(at(63s)));
}

TEST_CASE("deadline table tells the earliest and takes out what has come") {
  DeadlineTable table;
  CHECK_FALSE(table.next());
  table.add(1, at(30s));
  table.add(2, at(10s));
  table.add(3, at(10s));
  table.add(2, at(20s));  // moved
  table.remove(99);
  CHECK(table.next() == at(10s));
  CHECK(table.expired(at(9s)).empty());
  CHECK(table.expired(at(20s)) == std::vector<DeadlineTable::Key>{3, 2});
  table.remove(1);
  CHECK(table.size() == 0);
  CHECK_FALSE(table.next());
}

TEST_CASE("sequence request refuses what the model's bounds exclude and names the field") {
  auto code = [](const Request& request, std::vector<TokenId> prompt) {
    auto sequence = sequence_request(request, std::move(prompt), kModel);
    return sequence.ok() ? std::string("ok") : sequence.error().param;
  };
  CHECK(code(request_of(1), {}) == "prompt");
  CHECK(code(request_of(1), {260}) == "prompt");
  CHECK(code(request_of(1), {-1}) == "prompt");
  CHECK(code(request_of(28), {1, 2, 3, 4}) == "ok");  // 4 + 28 = 32
  CHECK(code(request_of(29), {1, 2, 3, 4}) == "max_tokens");
  CHECK(code(request_of(4294967295U), {1}) == "max_tokens");
  CHECK(code(request_of(0), std::vector<TokenId>(32, 1)) == "prompt");
  Request biased = request_of(1);
  biased.sampling.logit_bias = {{260, 1.0F}};
  CHECK(code(biased, {1}) == "logit_bias");
  Request stopped = request_of(1);
  stopped.stop.stop_token_ids = {-5};
  CHECK(code(stopped, {1}) == "stop_token_ids");
}

TEST_CASE("sequence request of an embedding may fill the context, and names its input where it does not fit") {
  Request request = request_of(16);
  request.pooling = Pooling::kMean;
  request.choice = 3;
  auto sequence = sequence_request(request, std::vector<TokenId>(32, 1), kModel);
  REQUIRE(sequence.ok());
  CHECK(sequence->pooling == Pooling::kMean);
  CHECK(sequence->max_tokens == 1);
  auto refused = sequence_request(request, std::vector<TokenId>(33, 1), kModel);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kContextLengthExceeded);
  CHECK(refused.error().message == "input[3] has 33 tokens; this model's context is 32 tokens");
  CHECK(refused.error().param == "input");
  CHECK(sequence_request(request, {}, kModel).error().param == "input");
  CHECK(sequence_request(request, {260}, kModel).error().param == "input");
  CHECK(sequence_request(request, {1}, {32, 260, kEnds, 0}).error().code == ErrorCode::kUnsupported);
}

TEST_CASE("sequence request says how long is too long in numbers") {
  auto sequence = sequence_request(request_of(30), {1, 2, 3}, kModel);
  REQUIRE_FALSE(sequence.ok());
  CHECK(sequence.error().code == ErrorCode::kContextLengthExceeded);
  CHECK(sequence.error().message == "the prompt has 3 tokens and max_tokens is 30; this model's context is 32 tokens");
}

TEST_CASE("sequence request fills the context when max_tokens is 0 and sorts the stop tokens") {
  Request request = request_of(0);
  request.stop.stop_token_ids = {9, 3, 256};
  auto sequence = sequence_request(request, {1, 2}, kModel);
  REQUIRE(sequence.ok());
  CHECK(sequence->max_tokens == 30);
  CHECK(sequence->stop_tokens == std::vector<TokenId>{3, 9, 256});
  request.stop.ignore_eos = true;
  CHECK(sequence_request(request, {1}, kModel)->stop_tokens == std::vector<TokenId>{3, 9, 256});
  request.stop.stop_token_ids.clear();
  CHECK(sequence_request(request, {1}, kModel)->stop_tokens.empty());
}

TEST_CASE("sequence request shares prefixes within one tenant and salt only") {
  auto key = [](const char* tenant, const char* salt) {
    Request request = request_of(1);
    request.tenant = tenant;
    request.cache_salt = salt;
    return sequence_request(request, {1}, kModel)->cache_key;
  };
  CHECK(key("a", "b") == key("a", "b"));
  CHECK(key("a", "b") != key("ab", ""));
  CHECK(key("a", "") != key("", "a"));
  CHECK(key("a", "x") != key("b", "x"));
  CHECK(key("a", "x") != key("a", "y"));
}

TEST_CASE("step check finds every way a result may not fit its plan") {
  RunnerInfo info;
  info.vocab_size = 10;
  StepPlan plan;
  plan.step = 5;
  plan.rows.resize(2);
  plan.rows[0].sequence = 1;
  plan.rows[0].sampling = 0;
  plan.rows[1].sequence = 2;
  StepResult good;
  good.step = 5;
  good.rows = {{1, RowOutcome::kSampled, 9, 0.0F, {0, 1}, 0, {}, {}},
               {2, RowOutcome::kNoToken, -1, 0.0F, {}, 0, {}, {}}};
  good.top = {{3, -1.0F}};
  CHECK(check_result(plan, good, info).ok());
  auto broken = [&](auto change) {
    StepResult result = good;
    change(result);
    return !check_result(plan, result, info).ok();
  };
  CHECK(broken([](StepResult& r) { r.version = 1; }));
  CHECK(broken([](StepResult& r) { r.step = 6; }));
  CHECK(broken([](StepResult& r) { r.rows.pop_back(); }));
  CHECK(broken([](StepResult& r) { r.rows.push_back(r.rows[0]); }));
  CHECK(broken([](StepResult& r) { std::swap(r.rows[0], r.rows[1]); }));
  CHECK(broken([](StepResult& r) { r.rows[0].sequence = 3; }));
  CHECK(broken([](StepResult& r) { r.rows[0].token = 10; }));
  CHECK(broken([](StepResult& r) { r.rows[0].token = -1; }));
  CHECK(broken([](StepResult& r) { r.rows[0].outcome = RowOutcome::kNoToken; }));
  CHECK(broken([](StepResult& r) { r.rows[1].outcome = RowOutcome::kSampled; }));
  CHECK(broken([](StepResult& r) { r.rows[0].outcome = static_cast<RowOutcome>(7); }));
  CHECK(broken([](StepResult& r) { r.rows[0].top = {1, 1}; }));
  CHECK(broken([](StepResult& r) { r.rows[0].top = {0xFFFFFFFFU, 2}; }));
  CHECK(broken([](StepResult& r) { r.top[0].token = 10; }));
  CHECK_FALSE(broken([](StepResult& r) { r.rows[0].outcome = RowOutcome::kNotFinite; }));
}

TEST_CASE("step check asks for the vectors a plan asks for, of the right size and of numbers") {
  RunnerInfo info;
  info.vocab_size = 10;
  info.embedding_size = 2;
  StepPlan plan;
  plan.step = 5;
  plan.rows.resize(2);
  for (StepRow& row : plan.rows) row.sequence = 1, row.kind = RowKind::kEmbed, row.pooling = Pooling::kLast;
  plan.rows[1].sequence = 2;
  plan.rows[1].is_end = 1;
  StepResult good;
  good.step = 5;
  good.rows = {{1, RowOutcome::kNoToken, -1, 0.0F, {}, 0, {}, {}},
               {2, RowOutcome::kPooled, -1, 0.0F, {}, 0, {1, 2}, {}}};
  good.values = {9.0F, 0.6F, 0.8F};
  CHECK(check_result(plan, good, info).ok());
  auto broken = [&](auto change) {
    StepResult result = good;
    change(result);
    return !check_result(plan, result, info).ok();
  };
  CHECK(broken([](StepResult& r) { r.rows[1].outcome = RowOutcome::kNoToken; }));
  CHECK(broken([](StepResult& r) { r.rows[1].outcome = RowOutcome::kSampled, r.rows[1].token = 1; }));
  CHECK(broken([](StepResult& r) { r.rows[0].outcome = RowOutcome::kPooled, r.rows[0].vector = {0, 2}; }));
  CHECK(broken([](StepResult& r) { r.rows[1].vector = {1, 1}; }));
  CHECK(broken([](StepResult& r) { r.rows[1].vector = {2, 2}; }));
  CHECK(broken([](StepResult& r) { r.rows[1].vector = {0xFFFFFFFFU, 2}; }));
  CHECK(broken([](StepResult& r) { r.values[2] = std::numeric_limits<float>::infinity(); }));
  CHECK_FALSE(broken([](StepResult& r) { r.rows[1].outcome = RowOutcome::kNotFinite; }));
}

TEST_CASE("step check asks for a score of every target, each of them a number") {
  RunnerInfo info;
  info.vocab_size = 10;
  StepPlan plan;
  plan.step = 5;
  plan.rows.resize(1);
  plan.rows[0].sequence = 1;
  plan.rows[0].targets = {0, 2};
  StepResult good;
  good.step = 5;
  good.rows = {{1, RowOutcome::kNoToken, -1, 0.0F, {}, 0, {}, {0, 2}}};
  good.scores = {{-1.0F, 10, {0, 1}}, {0.0F, 1, {}}};
  good.top = {{9, -0.5F}};
  CHECK(check_result(plan, good, info).ok());
  auto broken = [&](auto change) {
    StepResult result = good;
    change(result);
    return !check_result(plan, result, info).ok();
  };
  CHECK(broken([](StepResult& r) { r.rows[0].scores.count = 1; }));
  CHECK(broken([](StepResult& r) { r.rows[0].scores.begin = 1; }));
  CHECK(broken([](StepResult& r) { r.scores[1].logprob = -std::numeric_limits<float>::infinity(); }));
  CHECK(broken([](StepResult& r) { r.scores[1].rank = 0; }));
  CHECK(broken([](StepResult& r) { r.scores[1].rank = 11; }));
  CHECK(broken([](StepResult& r) { r.scores[0].top.count = 2; }));
  CHECK(broken([](StepResult& r) { r.top[0].token = 10; }));
  CHECK_FALSE(broken([](StepResult& r) { r.rows[0].outcome = RowOutcome::kNotFinite, r.rows[0].scores = {}; }));
}

TEST_CASE("request times add up to the whole") {
  std::atomic<Stage> shown = Stage::kReceive;
  RequestTimes times(at(1s), shown);
  times.end(at(3s));
  times.begin(Stage::kTokenize, at(3s));
  times.end(at(4s));
  times.begin(Stage::kQueue, at(4s));
  times.end(at(14s));
  CHECK(times.times()[Stage::kReceive] == 2s);
  CHECK(times.times()[Stage::kTokenize] == 1s);
  CHECK(times.times()[Stage::kQueue] == 10s);
  CHECK(times.times()[Stage::kDecode] == 0s);
  CHECK(times.stage() == Stage::kQueue);
  CHECK(shown == Stage::kQueue);
}

TEST_CASE("prompt tokens come from text, ids or a conversation") {
  ByteCodec codec;
  CHECK(*prompt_tokens(codec, std::string("a<|end|>"), true) ==
        std::vector<TokenId>{97, 60, 124, 101, 110, 100, 124, 62});
  CHECK(*prompt_tokens(codec, std::vector<TokenId>{5, 6}, true) == std::vector<TokenId>{5, 6});
  ChatPrompt chat;
  chat.messages = {{"user", "a", ""}};
  CHECK(*prompt_tokens(codec, chat, true) == std::vector<TokenId>{kUserToken, 97, kEndToken, kAssistantToken});
  chat.messages = {{"nobody", "a", ""}};
  CHECK(prompt_tokens(codec, chat, true).error().code == ErrorCode::kInvalidRequest);
}

TEST_CASE("answer text ends before a stop string and shows what was held back when there is none") {
  ByteCodec codec;
  bool stopped = false;
  AnswerText answer(codec, {"xy"});
  CHECK(answer.push('a', stopped) == "a");
  CHECK(answer.push('x', stopped).empty());
  CHECK(answer.push('y', stopped).empty());
  CHECK(stopped);
  AnswerText other(codec, {"xy"});
  CHECK(other.push('x', stopped).empty());
  CHECK(other.finish(stopped) == "x");
  CHECK_FALSE(stopped);
  AnswerText unfinished(codec, {});
  CHECK(unfinished.push(0xC3, stopped).empty());
  CHECK(unfinished.finish(stopped) == "\xEF\xBF\xBD");
}
