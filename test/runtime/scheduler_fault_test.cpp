// The scheduler when things go wrong: blocks run out, clients leave, deadlines pass, executors die.
#include <catch2/catch.hpp>

#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

BenchLimits two_in_flight() {
  BenchLimits limits;
  limits.steps_in_flight = 2;
  return limits;
}

}  // namespace

TEST_CASE("scheduler preempts the newest sequence when blocks run out, and it goes on without a token lost") {
  Bench bench({}, 4, false);
  std::vector<SequenceRequest> requests = {Bench::request(1, 14, 30), Bench::request(2, 14, 30),
                                           Bench::request(3, 14, 30)};
  for (const auto& request : requests) REQUIRE(bench.enqueue(request).ok());
  REQUIRE(Bench::rows(bench.step()) == "1:14 2:14 3:14");
  std::vector<SequenceEvent> all = bench.events;
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:1 3:1");
  all.insert(all.end(), bench.events.begin(), bench.events.end());
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:1 3:1");
  all.insert(all.end(), bench.events.begin(), bench.events.end());
  // Position 16 needs a second block: the first takes the last free one, the second takes the third one's.
  REQUIRE(Bench::rows(bench.step()) == "1:1 2:1");
  all.insert(all.end(), bench.events.begin(), bench.events.end());
  REQUIRE(bench.scheduler.counts().preemptions_total == 1);
  REQUIRE(bench.scheduler.counts().waiting == 1);
  auto rest = bench.run();
  all.insert(all.end(), rest.begin(), rest.end());
  for (const auto& request : requests) REQUIRE(Bench::tokens_of(all, request.id) == answer_of(request, 64).tokens);
}

TEST_CASE("scheduler preempts nobody for blocks that are coming back anyway") {
  Bench bench(two_in_flight(), 4, false);
  for (RequestId id = 1; id <= 3; ++id) REQUIRE(bench.enqueue(Bench::request(id, 14, 30)).ok());
  REQUIRE(Bench::rows(bench.plan()) == "1:14 2:14 3:14");
  REQUIRE(Bench::rows(bench.plan()) == "1:1p 2:1p 3:1p");
  bench.apply();
  REQUIRE(Bench::rows(bench.plan()) == "1:1p 2:1p 3:1p");
  bench.apply();
  // Position 16: the first takes the last free block; the third gives its own up, but a step in flight writes to it.
  REQUIRE(Bench::rows(bench.plan()) == "1:1p");
  REQUIRE(bench.scheduler.counts().preemptions_total == 1);
  bench.apply();
  REQUIRE(Bench::rows(bench.plan()) == "1:1p 2:1");
  REQUIRE(bench.scheduler.counts().preemptions_total == 1);
}

TEST_CASE("scheduler preempts the lowest priority first, however old it is") {
  Bench bench({}, 4, false);
  auto old_but_low = Bench::request(1, 16, 30);
  old_but_low.priority = -1;
  REQUIRE(bench.enqueue(old_but_low).ok());
  REQUIRE(bench.enqueue(Bench::request(2, 30, 30)).ok());
  REQUIRE(Bench::rows(bench.step()) == "2:30 1:16");
  REQUIRE(Bench::rows(bench.step()) == "2:1 1:1");
  REQUIRE(Bench::rows(bench.step()) == "2:1 1:1");
  REQUIRE(Bench::rows(bench.step()) == "2:1");
}

TEST_CASE("cached blocks go before anybody is preempted") {
  Bench bench({}, 4);
  REQUIRE(bench.enqueue(Bench::request(1, 32, 1)).ok());
  bench.run();
  REQUIRE(bench.kv.counts().cached == 2);
  REQUIRE(bench.enqueue(Bench::request(2, 14, 40)).ok());
  bench.run();
  REQUIRE(bench.scheduler.counts().preemptions_total == 0);
}

TEST_CASE("scheduler admits a prompt only when its blocks and one more token can be had, and lets nobody overtake") {
  Bench bench({}, 4, false);
  REQUIRE(bench.enqueue(Bench::request(1, 20, 5)).ok());
  REQUIRE(Bench::rows(bench.step()) == "1:20");
  REQUIRE(bench.enqueue(Bench::request(2, 32, 5)).ok());  // 33 positions are 3 blocks
  REQUIRE(bench.enqueue(Bench::request(3, 4, 5)).ok());
  for (int i = 0; i < 4; ++i) REQUIRE(Bench::rows(bench.step()) == "1:1");
  REQUIRE(Bench::rows(bench.step()) == "2:32 3:4");
}

TEST_CASE("contract 3: blocks of a dropped sequence are kept until no step in flight mentions them") {
  Bench bench(two_in_flight(), 4, false);
  REQUIRE(bench.enqueue(Bench::request(1, 20, 30)).ok());
  bench.plan();
  bench.plan();
  REQUIRE(bench.scheduler.drop(1));
  REQUIRE(bench.kv.counts().referenced == 2);
  bench.apply();
  REQUIRE(bench.kv.counts().referenced == 2);
  bench.apply();
  REQUIRE(bench.kv.counts().referenced == 0);
  REQUIRE(bench.events.empty());
  REQUIRE(bench.scheduler.counts().discarded_tokens_total == 2);
  REQUIRE_FALSE(bench.scheduler.has_work());
}

TEST_CASE("R088: a drop works in every state and late results change nothing") {
  BenchLimits limits = two_in_flight();
  limits.sequences_max = 1;
  Bench bench(limits, 8);
  REQUIRE(bench.enqueue(Bench::request(1, 4, 9)).ok());
  REQUIRE(bench.enqueue(Bench::request(2, 4, 9)).ok());
  bench.plan();
  REQUIRE(bench.scheduler.drop(2));  // waiting
  REQUIRE(bench.scheduler.drop(1));  // in flight
  REQUIRE_FALSE(bench.scheduler.drop(1));
  REQUIRE(bench.enqueue(Bench::request(1, 4, 2)).ok());  // the same id again, while its old step is in flight
  REQUIRE(Bench::rows(bench.plan()) == "1:4");
  bench.apply();
  REQUIRE(bench.events.empty());
  bench.apply();
  REQUIRE(bench.events.size() == 1);
  REQUIRE(bench.scheduler.drop(1));  // running, between steps
  REQUIRE_FALSE(bench.scheduler.has_work());
  REQUIRE(bench.kv.counts().referenced == 0);
}

TEST_CASE("with two steps in flight the token after a stop is discarded, counted and never in a prefix") {
  Bench bench(two_in_flight(), 8);
  auto request = Bench::request(1, 15, 9);
  request.stop_tokens = {answer_of(request, 128).tokens[0]};
  REQUIRE(bench.enqueue(request).ok());
  REQUIRE(Bench::rows(bench.plan()) == "1:15");
  REQUIRE(Bench::rows(bench.plan()) == "1:1p");  // writes position 15 with the stop token: a full block
  REQUIRE(bench.plan() == nullptr);
  bench.apply();
  REQUIRE(bench.events.size() == 1);
  REQUIRE(bench.events[0].kind == Kind::kFinished);
  REQUIRE(bench.events[0].finish == FinishReason::kStop);
  bench.apply();
  REQUIRE(bench.events.empty());
  REQUIRE(bench.scheduler.counts().discarded_tokens_total == 1);
  REQUIRE(bench.kv.counts().cached == 0);
}

TEST_CASE("with two steps in flight a sequence that ends by length is not planned once more") {
  Bench bench(two_in_flight());
  REQUIRE(bench.enqueue(Bench::request(1, 4, 2)).ok());
  REQUIRE(Bench::rows(bench.plan()) == "1:4");
  REQUIRE(Bench::rows(bench.plan()) == "1:1p");
  bench.apply();
  REQUIRE(bench.plan() == nullptr);
  bench.apply();
  REQUIRE(bench.events.back().kind == Kind::kFinished);
  REQUIRE(bench.scheduler.counts().discarded_tokens_total == 0);
}

TEST_CASE("robustness: a deadline that passes in the queue fails with its stage and costs no step") {
  BenchLimits limits;
  limits.sequences_max = 1;
  Bench bench(limits);
  REQUIRE(bench.enqueue(Bench::request(1, 4, 9)).ok());
  auto request = Bench::request(2, 4, 9);
  request.deadline = bench.now + 5ms;
  REQUIRE(bench.enqueue(request).ok());
  bench.step();
  bench.now += 4ms;
  bench.step();
  REQUIRE(bench.scheduler.counts().waiting == 1);
  bench.now += 1ms;
  bench.plan();
  REQUIRE(bench.events.size() == 1);
  REQUIRE(bench.events[0].id == 2);
  REQUIRE(bench.events[0].error.code == ErrorCode::kDeadlineExceeded);
  REQUIRE_THAT(bench.events[0].error.message, Catch::Contains("stage queue"));
}

TEST_CASE("contract 8: a row that is not finite, missing or nonsense fails its own request only") {
  Bench bench;
  for (RequestId id = 1; id <= 5; ++id) REQUIRE(bench.enqueue(Bench::request(id, 4, 9)).ok());
  auto plan = bench.plan();
  StepResult result = bench.model.run(*plan);
  result.rows[0].outcome = RowOutcome::kNotFinite;
  result.rows[1].outcome = RowOutcome::kNoToken;
  result.rows[2].token = -5;
  result.rows[3].sequence = 77;
  result.rows.pop_back();
  bench.events.clear();
  bench.scheduler.apply(result, bench.now, bench.events);
  REQUIRE(bench.events.size() == 5);
  for (const SequenceEvent& event : bench.events) {
    REQUIRE(event.kind == Kind::kFailed);
    REQUIRE(event.error.code == ErrorCode::kInternal);
    REQUIRE_THAT(event.error.message, Catch::Contains(event.id == 1 ? "not finite" : "does not fit its plan"));
  }
  REQUIRE(bench.kv.counts().referenced == 0);
}

TEST_CASE("contract 8: an executor's death costs time, not tokens") {
  Bench bench(two_in_flight());
  std::vector<SequenceRequest> requests = {Bench::request(1, 20, 9), Bench::request(2, 30, 9)};
  for (const auto& request : requests) REQUIRE(bench.enqueue(request).ok());
  std::vector<SequenceEvent> all;
  for (int i = 0; i < 3; ++i) {
    bench.step();
    all.insert(all.end(), bench.events.begin(), bench.events.end());
  }
  bench.plan();
  bench.plan();
  bench.lose_executor();
  REQUIRE(bench.events.empty());
  REQUIRE(bench.scheduler.in_flight() == 0);
  REQUIRE(bench.scheduler.counts().retries_total == 2);
  REQUIRE(bench.kv.counts().free == 64);
  auto rest = bench.run();
  all.insert(all.end(), rest.begin(), rest.end());
  for (const auto& request : requests) REQUIRE(Bench::tokens_of(all, request.id) == answer_of(request, 1024).tokens);
}

TEST_CASE("R015: scheduler counts the positions it computes again after a preemption, and not those the cache kept") {
  for (bool prefix_cache : {false, true}) {
    CAPTURE(prefix_cache);
    Bench bench({}, 4, prefix_cache);
    REQUIRE(bench.enqueue(Bench::request(1, 14, 10)).ok());
    REQUIRE(bench.enqueue(Bench::request(2, 30, 10)).ok());
    REQUIRE(Bench::rows(bench.step()) == "1:14 2:30");
    bench.step(), bench.step();
    REQUIRE(bench.scheduler.counts().recomputed_tokens_total == 0);
    // Both need a block for their next position and one is left: the second has 32 positions and gives its blocks up.
    REQUIRE(Bench::rows(bench.step()) == "1:1");
    REQUIRE(bench.scheduler.counts().preemptions_total == 1);
    bench.run();
    // With the cache its two full blocks, which nobody needed meanwhile, are found again.
    REQUIRE(bench.scheduler.counts().recomputed_tokens_total == (prefix_cache ? 0U : 32U));
  }
}

TEST_CASE("R015: scheduler counts the positions it computes again after an executor's death") {
  Bench bench;
  REQUIRE(bench.enqueue(Bench::request(1, 20, 9)).ok());
  REQUIRE(Bench::rows(bench.step()) == "1:20");
  bench.plan();  // position 20: lost with the executor, and planned again
  bench.lose_executor();
  REQUIRE(Bench::rows(bench.step()) == "1:21");
  REQUIRE(bench.scheduler.counts().recomputed_tokens_total == 21);
  bench.run();
  REQUIRE(bench.scheduler.counts().recomputed_tokens_total == 21);
}

TEST_CASE("results of a step that died are ignored") {
  Bench bench;
  REQUIRE(bench.enqueue(Bench::request(1, 4, 9)).ok());
  auto plan = bench.plan();
  StepResult late = bench.model.run(*plan);
  bench.lose_executor();
  bench.scheduler.apply(late, bench.now, bench.events);
  REQUIRE(bench.events.empty());
  REQUIRE(bench.scheduler.counts().waiting == 1);
}

TEST_CASE("R087: a poisonous request is retried alone and then fails, the others never do") {
  BenchLimits limits = two_in_flight();
  limits.step_tokens_max = 16;
  Bench bench(limits);
  for (RequestId id = 1; id <= 3; ++id) REQUIRE(bench.enqueue(Bench::request(id, 24, 9)).ok());
  // Request 2 kills the executor with the second chunk of its prompt.
  auto is_deadly = [](const StepPlan& plan) {
    for (const StepRow& row : plan.rows) {
      if (row.sequence == 2 && row.position + row.tokens.count > 16) return true;
    }
    return false;
  };
  std::vector<SequenceEvent> all;
  int deaths = 0;
  for (int i = 0; i < 1000 && bench.scheduler.has_work(); ++i) {
    bool was_planned = bench.plan() != nullptr;
    all.insert(all.end(), bench.events.begin(), bench.events.end());
    if (was_planned && bench.in_flight.size() < 2) continue;
    if (is_deadly(*bench.in_flight.front())) {
      if (deaths++ > 0) {
        REQUIRE(Bench::rows(bench.in_flight.front()) == "2:8");  // alone in its step and in flight
        REQUIRE(bench.in_flight.size() == 1);
      }
      bench.lose_executor();
    } else {
      bench.apply();
    }
    all.insert(all.end(), bench.events.begin(), bench.events.end());
  }
  REQUIRE_FALSE(bench.scheduler.has_work());
  REQUIRE(deaths == 3);  // the first time and two retries
  int failures = 0;
  for (const SequenceEvent& event : all) {
    if (event.kind != Kind::kFailed) continue;
    ++failures;
    REQUIRE(event.id == 2);
    REQUIRE(event.error.code == ErrorCode::kInternal);
  }
  REQUIRE(failures == 1);
  REQUIRE(Bench::tokens_of(all, 1).size() == 9);
  REQUIRE(Bench::tokens_of(all, 3).size() == 9);
}
