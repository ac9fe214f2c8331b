// The scheduler without accidents: who is in a step, with how much, and what a row says.
#include <catch2/catch.hpp>

#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("scheduler plans nothing when there is nothing to do") {
  Bench bench;
  REQUIRE_FALSE(bench.scheduler.has_work());
  REQUIRE(bench.plan() == nullptr);
  REQUIRE_FALSE(bench.scheduler.drop(1));
}

TEST_CASE("scheduler gives decoding sequences their token first and prompts what is left of the step") {
  BenchLimits limits;
  limits.step_tokens_max = 10;
  limits.prefill_chunk_max = 6;
  Bench bench(limits);
  REQUIRE(bench.enqueue(Bench::request(1, 4, 9)).ok());
  REQUIRE(Bench::rows(bench.step()) == "1:4");
  REQUIRE(bench.enqueue(Bench::request(2, 8, 9)).ok());
  REQUIRE(bench.enqueue(Bench::request(3, 20, 9)).ok());
  auto mixed = bench.step();
  REQUIRE(Bench::rows(mixed) == "1:1 2:6 3:3");
  REQUIRE(mixed->rows[0].sampling == 0);
  REQUIRE(mixed->rows[1].sampling == kNoIndex);  // a chunk that is not the end of its prompt
  REQUIRE(mixed->rows[2].position == 0);
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:2 3:6");
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:1 3:6");
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:1 3:5");
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:1 3:1");
}

TEST_CASE("scheduler gives a lone prompt the whole step: chunks are for the company of decoders") {
  BenchLimits limits;
  limits.step_tokens_max = 100;
  limits.prefill_chunk_max = 6;
  Bench bench(limits);
  REQUIRE(bench.enqueue(Bench::request(1, 150, 3)).ok());
  REQUIRE(Bench::rows(bench.step()) == "1:100");
  REQUIRE(Bench::rows(bench.step()) == "1:50");
}

TEST_CASE("R069, R085: a short request leaves a long batch at once and a new one joins the next step") {
  BenchLimits limits;
  limits.sequences_max = 2;
  Bench bench(limits);
  REQUIRE(bench.enqueue(Bench::request(1, 4, 50)).ok());
  REQUIRE(bench.enqueue(Bench::request(2, 4, 2)).ok());
  REQUIRE(bench.enqueue(Bench::request(3, 4, 50)).ok());
  REQUIRE(Bench::rows(bench.step()) == "1:4 2:4");
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:1");
  REQUIRE(bench.events.back().kind == Kind::kFinished);
  REQUIRE(bench.events.back().id == 2);
  REQUIRE(Bench::rows(bench.step()) == "1:1 3:4");
}

TEST_CASE("R067: no step has more sequences or tokens than allowed") {
  BenchLimits limits;
  limits.sequences_max = 3;
  limits.step_tokens_max = 7;
  Bench bench(limits);
  for (RequestId id = 1; id <= 8; ++id) REQUIRE(bench.enqueue(Bench::request(id, 5, 6)).ok());
  while (bench.scheduler.has_work()) {
    auto plan = bench.step();
    REQUIRE(plan->rows.size() <= 3);
    REQUIRE(plan->tokens.size() <= 7);
  }
}

TEST_CASE("R066, R092: answers in a mixed batch are those of each request alone") {
  std::vector<SequenceRequest> requests;
  for (RequestId id = 1; id <= 6; ++id) {
    auto request = Bench::request(id, 3 * id, 4 * static_cast<std::uint32_t>(id));
    request.sampling.temperature = static_cast<float>(id) / 4;
    request.sampling.seed = id;
    if (id % 2 == 0) request.sampling.presence_penalty = 1.0F;
    if (id % 3 == 0) request.stop_tokens = {kStopToken, 5, 11};
    requests.push_back(request);
  }
  BenchLimits one_by_one;
  one_by_one.sequences_max = 1;
  BenchLimits batched;
  batched.step_tokens_max = 11;
  batched.steps_in_flight = 2;
  Bench alone(one_by_one), together(batched);
  for (const auto& request : requests) REQUIRE((alone.enqueue(request).ok() && together.enqueue(request).ok()));
  auto events_alone = alone.run();
  auto events_together = together.run();
  for (const auto& request : requests) {
    auto tokens = Bench::tokens_of(events_together, request.id);
    REQUIRE(tokens == Bench::tokens_of(events_alone, request.id));
    REQUIRE(tokens == answer_of(request, 1024).tokens);
  }
}

TEST_CASE("R091: each sequence ends by its own rules, whatever its neighbours") {
  Bench bench;
  REQUIRE(bench.enqueue(Bench::request(1, 4, 3)).ok());
  REQUIRE(bench.enqueue(Bench::request(2, 4, 7)).ok());
  auto events = bench.run();
  REQUIRE(Bench::tokens_of(events, 1).size() == 3);
  REQUIRE(Bench::tokens_of(events, 2).size() == 7);
  REQUIRE(events.back().kind == Kind::kFinished);
  REQUIRE(events.back().finish == FinishReason::kLength);
}

TEST_CASE("scheduler ends a sequence at the model's context and at the end of the KV pool") {
  BenchLimits limits;
  limits.context_length = 10;
  Bench bench(limits);
  REQUIRE(bench.enqueue(Bench::request(1, 8, 100)).ok());
  REQUIRE(Bench::tokens_of(bench.run(), 1).size() == 2);
  Bench tiny({}, 2);
  REQUIRE(tiny.enqueue(Bench::request(1, 30, 100)).ok());
  REQUIRE(Bench::tokens_of(tiny.run(), 1).size() == 2);
  REQUIRE(tiny.scheduler.counts().preemptions_total == 0);
}

TEST_CASE("R180: a prompt that leaves no room for an answer is refused with both numbers") {
  BenchLimits limits;
  limits.context_length = 20;
  Bench bench(limits);
  Status status = bench.enqueue(Bench::request(1, 20, 1));
  REQUIRE(status.error().code == ErrorCode::kContextLengthExceeded);
  REQUIRE_THAT(status.error().message, Catch::Contains("20 tokens") && Catch::Contains("room for 20"));
  REQUIRE(bench.enqueue(Bench::request(1, 19, 1)).ok());

  Bench tiny({}, 1);
  REQUIRE(tiny.enqueue(Bench::request(1, 16, 1)).error().code == ErrorCode::kContextLengthExceeded);
  REQUIRE(tiny.enqueue(Bench::request(1, 15, 1)).ok());
}

TEST_CASE("R081: the queue is bounded by requests and by tokens, and a refusal changes nothing") {
  BenchLimits limits;
  limits.queue_max = 2;
  limits.queue_tokens_max = 100;
  Bench bench(limits);
  REQUIRE(bench.enqueue(Bench::request(1, 200, 1)).ok());  // alone it is never too long for the queue
  REQUIRE(bench.enqueue(Bench::request(2, 1, 1)).error().code == ErrorCode::kQueueFull);
  REQUIRE(bench.scheduler.drop(1));
  REQUIRE(bench.enqueue(Bench::request(3, 60, 1)).ok());
  REQUIRE(bench.enqueue(Bench::request(4, 41, 1)).error().code == ErrorCode::kQueueFull);
  REQUIRE(bench.enqueue(Bench::request(5, 30, 1)).ok());
  REQUIRE(bench.enqueue(Bench::request(6, 1, 1)).error().code == ErrorCode::kQueueFull);  // 10 tokens would fit
  REQUIRE(bench.scheduler.counts().waiting == 2);
  REQUIRE(bench.scheduler.counts().waiting_tokens == 90);
  REQUIRE(bench.scheduler.counts().oldest_waiting == SteadyTime(3us));
  REQUIRE(Bench::rows(bench.step()) == "3:60 5:30");
  REQUIRE(bench.scheduler.counts().waiting_tokens == 0);
}

TEST_CASE("scheduler refuses what is no sequence") {
  Bench bench;
  REQUIRE(bench.enqueue(Bench::request(1, 0, 1)).error().code == ErrorCode::kInvalidRequest);
  REQUIRE(bench.enqueue(Bench::request(1, 1, 1)).ok());
  REQUIRE(bench.enqueue(Bench::request(1, 1, 1)).error().code == ErrorCode::kInvalidRequest);
}

TEST_CASE("scheduler serves the higher priority first and equal ones in order of arrival") {
  BenchLimits limits;
  limits.sequences_max = 1;
  Bench bench(limits);
  auto late = Bench::request(9, 3, 1);
  auto early = Bench::request(2, 3, 1);
  auto urgent = Bench::request(5, 3, 1);
  urgent.priority = 1;
  for (const auto& request : {late, early, urgent}) REQUIRE(bench.enqueue(request).ok());
  REQUIRE(Bench::rows(bench.step()) == "5:3");
  REQUIRE(Bench::rows(bench.step()) == "2:3");
  REQUIRE(Bench::rows(bench.step()) == "9:3");
}

TEST_CASE("R189: a shared prefix is computed once, and at least one token of a prompt always is") {
  Bench bench;
  auto first = Bench::request(1, 48, 1);
  REQUIRE(bench.enqueue(first).ok());
  bench.run();
  auto again = first;
  again.id = 2;
  REQUIRE(bench.enqueue(again).ok());
  auto plan = bench.plan();
  REQUIRE(Bench::rows(plan) == "2:16");  // 32 of 48 were found: the last block is computed for its last token
  REQUIRE(plan->rows[0].position == 32);
  REQUIRE(bench.events[0].kind == Kind::kScheduled);
  REQUIRE(bench.events[0].cached_tokens == 32);
  bench.apply();
  REQUIRE(bench.scheduler.counts().prefix_query_tokens_total == 96);
  REQUIRE(bench.scheduler.counts().prefix_hit_tokens_total == 32);

  auto other_tenant = first;
  other_tenant.id = 3;
  other_tenant.cache_key = "other";
  REQUIRE(bench.enqueue(other_tenant).ok());
  REQUIRE(Bench::rows(bench.plan()) == "3:48");
}

TEST_CASE("R187: a prefix is shared only once the step that writes it has come back") {
  BenchLimits limits;
  limits.steps_in_flight = 2;
  Bench bench(limits);
  auto first = Bench::request(1, 33, 5);
  auto second = first;
  second.id = 2;
  REQUIRE(bench.enqueue(first).ok());
  REQUIRE(Bench::rows(bench.plan()) == "1:33");
  REQUIRE(bench.enqueue(second).ok());
  REQUIRE(Bench::rows(bench.plan()) == "1:1p 2:33");  // nothing is shared yet
  bench.apply();
  auto third = first;
  third.id = 3;
  REQUIRE(bench.enqueue(third).ok());
  REQUIRE(Bench::rows(bench.plan()) == "1:1p 2:1p 3:1");
}

TEST_CASE("scheduler bans stop tokens until min_tokens are out") {
  Bench bench;
  auto request = Bench::request(1, 4, 5);
  request.stop_tokens = {0, 7};
  request.min_tokens = 2;
  REQUIRE(bench.enqueue(request).ok());
  for (int i = 0; i < 3; ++i) {
    auto plan = bench.step();
    REQUIRE(plan->sampling[0].position == static_cast<std::uint32_t>(i));
    REQUIRE(plan->banned == (i < 2 ? std::vector<TokenId>{0, 7} : std::vector<TokenId>{}));
  }
}

TEST_CASE("scheduler hands penalties the counts of each token, and nothing to those without penalty") {
  Bench bench;
  auto with = Bench::request(1, 0, 9);
  with.prompt = {8, 5, 8};
  with.emitted = {5, 6, 5};
  with.sampling.frequency_penalty = 0.5F;
  auto without = Bench::request(2, 3, 9);
  REQUIRE(bench.enqueue(with).ok());
  REQUIRE(bench.enqueue(without).ok());
  auto plan = bench.plan();
  REQUIRE(plan->history.size() == 3);
  auto is = [&](std::size_t i, TokenId token, std::uint32_t output, std::uint32_t prompt) {
    return plan->history[i].token == token && plan->history[i].output_count == output &&
           plan->history[i].in_prompt == prompt;
  };
  REQUIRE((is(0, 5, 2, 1) && is(1, 6, 1, 0) && is(2, 8, 0, 1)));
  REQUIRE(plan->sampling[0].history.count == 3);
  REQUIRE(plan->sampling[1].history.count == 0);
}

TEST_CASE("scheduler hands a row its sampling parameters and its bias") {
  Bench bench;
  auto request = Bench::request(1, 3, 9);
  request.sampling = {0.25F, 40, 0.5F, 0.125F, 0.625F, 1.5F, 0.75F, -0.5F, {{3, 1.0F}, {9, -100.0F}}, 99};
  request.choice = 2;
  request.logprobs = 4;
  REQUIRE(bench.enqueue(request).ok());
  auto plan = bench.plan();
  const RowSampling& row = plan->sampling.at(0);
  REQUIRE((row.temperature == 0.25F && row.top_k == 40 && row.top_p == 0.5F && row.min_p == 0.125F));
  REQUIRE(row.typical_p == 0.625F);
  REQUIRE((row.repetition_penalty == 1.5F && row.presence_penalty == 0.75F && row.frequency_penalty == -0.5F));
  REQUIRE((row.seed == 99 && row.choice == 2 && row.logprobs == 4));
  REQUIRE(row.bias.count == 2);
  REQUIRE((plan->bias[1].token == 9 && plan->bias[1].bias == -100.0F));
}

TEST_CASE("scheduler goes on after the tokens another node emitted") {
  auto request = Bench::request(1, 20, 12);
  Answer answer = answer_of(request, 1024);
  request.emitted.assign(answer.tokens.begin(), answer.tokens.begin() + 5);
  Bench bench;
  REQUIRE(bench.enqueue(request).ok());
  auto plan = bench.plan();
  REQUIRE(Bench::rows(plan) == "1:25");
  REQUIRE(plan->sampling[0].position == 5);
  bench.apply();
  auto tokens = Bench::tokens_of(bench.events, 1);
  for (TokenId token : Bench::tokens_of(bench.run(), 1)) tokens.push_back(token);
  REQUIRE(tokens == std::vector<TokenId>(answer.tokens.begin() + 5, answer.tokens.end()));

  request.id = 2;
  request.emitted = answer.tokens;  // all of them: only the end is missing
  REQUIRE(bench.enqueue(request).ok());
  REQUIRE(bench.plan() == nullptr);
  REQUIRE(bench.events.at(0).kind == Kind::kFinished);
  REQUIRE_FALSE(bench.scheduler.has_work());
}

TEST_CASE("scheduler reports logprobs and alternatives with the token") {
  Bench bench;
  REQUIRE(bench.enqueue(Bench::request(1, 3, 9)).ok());
  auto plan = bench.plan();
  StepResult result;
  result.step = plan->step;
  result.rows = {{1, RowOutcome::kSampled, 4, -0.25F, {1, 2}, 0, {}, {}}};
  result.top = {{9, 0.0F}, {4, -0.25F}, {5, -2.0F}};
  bench.scheduler.apply(result, bench.now, bench.events);
  REQUIRE(bench.events.back().logprob == -0.25F);
  REQUIRE(bench.events.back().top.size() == 2);
  REQUIRE(bench.events.back().top[1].token == 5);
}
