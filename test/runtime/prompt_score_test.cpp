// Prompts whose tokens are judged, on their way through the scheduler: every token once, whatever happens on the way.
#include <catch2/catch.hpp>

#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

SequenceRequest judged(RequestId id, std::size_t tokens, std::uint32_t max_tokens, std::int32_t alternatives = 2) {
  SequenceRequest made = Bench::request(id, tokens, max_tokens);
  made.prompt_logprobs = alternatives;
  return made;
}

// In the order they came; they stand before the first token of the answer.
std::vector<PromptScore> scores_among(const std::vector<SequenceEvent>& events, RequestId id) {
  std::vector<PromptScore> scores;
  bool has_token = false;
  for (const SequenceEvent& event : events) {
    if (event.id != id) continue;
    if (event.kind == Kind::kToken) has_token = true;
    if (event.kind != Kind::kScored) continue;
    CHECK_FALSE(has_token);
    scores.insert(scores.end(), event.scores.begin(), event.scores.end());
  }
  return scores;
}

std::size_t ends_of(const std::vector<SequenceEvent>& events, RequestId id) {
  std::size_t ends = 0;
  for (const SequenceEvent& event : events) ends += event.id == id && event.kind == Kind::kFinished ? 1 : 0;
  return ends;
}

}  // namespace

TEST_CASE("a judged prompt's rows name the tokens after each of its positions, its last position names none") {
  BenchLimits limits;
  limits.step_tokens_max = 4;
  Bench bench(limits);
  auto request = judged(1, 7, 2);
  REQUIRE(bench.enqueue(request).ok());
  auto first = bench.step();
  REQUIRE(Bench::rows(first) == "1:4");
  CHECK(first->targets == std::vector<TokenId>(request.prompt.begin() + 1, request.prompt.begin() + 5));
  CHECK(first->rows[0].target_alternatives == 2);
  auto second = bench.step();
  REQUIRE(Bench::rows(second) == "1:3");
  CHECK(second->rows[0].targets.count == 2);
  CHECK(second->targets == std::vector<TokenId>(request.prompt.begin() + 5, request.prompt.end()));
  CHECK(second->rows[0].samples());
  auto third = bench.step();
  CHECK(third->targets.empty());
}

TEST_CASE("contract 2: scores do not depend on chunks, company or steps in flight") {
  for (std::uint32_t in_flight : {1U, 2U}) {
    CAPTURE(in_flight);
    BenchLimits limits;
    limits.step_tokens_max = 13;
    limits.prefill_chunk_max = 5;
    limits.steps_in_flight = in_flight;
    Bench bench(limits);
    std::vector<SequenceRequest> requests;
    for (RequestId id = 1; id <= 9; ++id) {
      requests.push_back(judged(id, 1 + 7 * id % 30, id % 3, static_cast<std::int32_t>(id % 4) - 1));
      REQUIRE(bench.enqueue(requests.back()).ok());
    }
    auto events = bench.run();
    for (const SequenceRequest& request : requests) {
      CAPTURE(request.id);
      auto expected = request.prompt_logprobs < 0 ? std::vector<PromptScore>() : scores_of(request);
      CHECK(scores_among(events, request.id) == expected);
      CHECK(Bench::tokens_of(events, request.id) == answer_of(request, 1000).tokens);
      CHECK(ends_of(events, request.id) == 1);
    }
  }
}

TEST_CASE("a prompt that nothing is generated after ends with its last position, even of one token") {
  auto size = GENERATE(1U, 2U, 16U, 17U);
  auto alternatives = GENERATE(-1, 0);
  CAPTURE(size, alternatives);
  Bench bench({}, 2);  // 32 positions
  auto request = judged(1, size, 0, alternatives);
  REQUIRE(bench.enqueue(request).ok());
  auto plan = bench.step();
  REQUIRE(plan);
  CHECK(plan->sampling.empty());
  REQUIRE_FALSE(bench.events.empty());
  CHECK(bench.events.back().kind == Kind::kFinished);
  CHECK(bench.events.back().finish == FinishReason::kLength);
  CHECK(Bench::tokens_of(bench.events, 1).empty());
  CHECK_FALSE(bench.scheduler.has_work());
  CHECK(bench.kv.counts().referenced == 0);
}

TEST_CASE("a prompt that nothing is generated after may fill every block there is") {
  Bench bench({}, 2);
  auto full = judged(1, 32, 0);
  REQUIRE(bench.enqueue(full).ok());
  CHECK(scores_among(bench.run(), 1) == scores_of(full));
  Status refused = bench.enqueue(judged(2, 33, 0));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message == "the prompt has 33 tokens; this model has room for 32");
  CHECK(refused.error().param == "prompt");
}

TEST_CASE("a judged prompt takes no prefix hit but leaves its blocks for others") {
  Bench bench;
  auto first = judged(1, 40, 1);
  REQUIRE(bench.enqueue(first).ok());
  bench.run();
  auto again = first, plain = first;
  again.id = 2, plain.id = 3, plain.prompt_logprobs = -1;
  REQUIRE(bench.enqueue(again).ok());
  CHECK(Bench::rows(bench.step()) == "2:40");
  CHECK(scores_among(bench.events, 2) == scores_of(again));
  bench.run();
  REQUIRE(bench.enqueue(plain).ok());
  CHECK(Bench::rows(bench.step()) == "3:8");
  CHECK(bench.scheduler.counts().prefix_query_tokens_total == 40);  // who is judged does not ask
}

TEST_CASE("contract 8: a preempted prompt is judged on from where it was, each token once") {
  for (std::uint32_t in_flight : {1U, 2U}) {
    CAPTURE(in_flight);
    BenchLimits limits;
    limits.step_tokens_max = 8;
    limits.prefill_chunk_max = 3;
    limits.steps_in_flight = in_flight;
    Bench bench(limits, 5);
    REQUIRE(bench.enqueue(Bench::request(1, 14, 40)).ok());
    auto request = judged(2, 60, 0);
    REQUIRE(bench.enqueue(request).ok());
    auto events = bench.run();
    CHECK(bench.scheduler.counts().preemptions_total > 0);
    CHECK(bench.scheduler.counts().recomputed_tokens_total > 0);
    CHECK(scores_among(events, 2) == scores_of(request));
    CHECK(ends_of(events, 2) == 1);
  }
}

TEST_CASE("contract 8: an executor's death does not judge a token twice, nor does a batcher's") {
  BenchLimits limits;
  limits.step_tokens_max = 6;
  Bench bench(limits);
  auto request = judged(1, 20, 3);
  REQUIRE(bench.enqueue(request).ok());
  bench.step();
  auto scores = scores_among(bench.events, 1);
  bench.plan();
  bench.lose_executor();
  auto rest = scores_among(bench.run(), 1);
  scores.insert(scores.end(), rest.begin(), rest.end());
  CHECK(scores == scores_of(request));

  Bench next(limits);  // as another batcher would go on
  auto resumed = request;
  resumed.scored = 8;
  REQUIRE(next.enqueue(resumed).ok());
  auto plan = next.step();
  CHECK(plan->targets.empty());  // positions 0 to 5: all known
  CHECK(next.step()->rows[0].targets.count == 6);
  auto all = scores_of(request);
  CHECK(scores_among(next.events, 1) == std::vector<PromptScore>(all.begin() + 8, all.begin() + 12));
}

TEST_CASE("contract 8: scores that do not fit what was asked fail their request alone") {
  auto fault = GENERATE(0, 1, 2);
  CAPTURE(fault);
  Bench bench;
  REQUIRE(bench.enqueue(judged(1, 5, 1)).ok());
  auto good = judged(2, 5, 1);
  REQUIRE(bench.enqueue(good).ok());
  auto plan = bench.plan();
  StepResult result = bench.model.run(*plan);
  if (fault == 0) result.rows[0].outcome = RowOutcome::kNotFinite;
  if (fault == 1) result.rows[0].scores.count = 3;
  if (fault == 2) result.rows[0].scores.begin = 1000;
  bench.events.clear();
  bench.scheduler.apply(result, bench.now, bench.events);
  REQUIRE_FALSE(bench.events.empty());
  CHECK(bench.events[0].kind == Kind::kFailed);
  CHECK(bench.events[0].id == 1);
  CHECK(bench.events[0].error.code == ErrorCode::kInternal);
  CHECK(scores_among(bench.events, 2) == scores_of(good));
}
