// Embeddings on their way through the scheduler: rows that sample nothing, running sums, what a prefix hit may save.
#include <catch2/catch.hpp>
#include <set>

#include "runtime/batcher.hpp"
#include "runtime/doors/response_stream.hpp"
#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

SequenceRequest input(RequestId id, std::size_t tokens, Pooling pooling) {
  SequenceRequest made = Bench::request(id, tokens, 1);
  made.pooling = pooling;
  return made;
}

std::vector<float> embedding_among(const std::vector<SequenceEvent>& events, RequestId id) {
  for (const SequenceEvent& event : events) {
    if (event.id == id && event.kind == Kind::kFinished) return event.embedding;
  }
  return {};
}

}  // namespace

TEST_CASE("an embedding samples nothing: its row says how to pool, and its last position ends it") {
  BenchLimits limits;
  limits.step_tokens_max = 10;
  Bench bench(limits);
  auto mean = input(1, 24, Pooling::kMean);
  REQUIRE(bench.enqueue(mean).ok());
  auto first = bench.step();
  REQUIRE(Bench::rows(first) == "1:10");
  CHECK(first->rows[0].kind == RowKind::kEmbed);
  CHECK(first->rows[0].pooling == Pooling::kMean);
  CHECK(first->rows[0].sum < limits.sequences_max);
  CHECK(first->rows[0].is_end == 0);
  bench.step();
  auto last = bench.step();
  REQUIRE(Bench::rows(last) == "1:4");
  CHECK(last->rows[0].sum == first->rows[0].sum);
  CHECK(last->rows[0].is_end == 1);
  CHECK(last->sampling.empty());
  REQUIRE(bench.events.size() == 1);
  CHECK(bench.events[0].kind == Kind::kFinished);
  CHECK(bench.events[0].embedding == embedding_of(mean));
  CHECK_FALSE(bench.scheduler.has_work());
  CHECK(bench.kv.counts().referenced == 0);
  auto generation = Bench::request(2, 3, 1);
  REQUIRE(bench.enqueue(generation).ok());
  CHECK(bench.step()->rows[0].kind == RowKind::kGenerate);
}

TEST_CASE("R066, contract 2: embeddings in a batch with others are those of each input alone") {
  for (std::uint32_t in_flight : {1U, 2U}) {
    CAPTURE(in_flight);
    BenchLimits limits;
    limits.step_tokens_max = 13;
    limits.prefill_chunk_max = 5;
    limits.steps_in_flight = in_flight;
    Bench bench(limits);
    std::vector<SequenceRequest> requests;
    for (RequestId id = 1; id <= 9; ++id) {
      requests.push_back(input(id, 1 + 7 * id % 30, id % 3 == 0 ? Pooling::kLast : Pooling::kMean));
      if (id % 4 == 0) requests.back() = Bench::request(id, 9, 12);
      REQUIRE(bench.enqueue(requests.back()).ok());
    }
    auto events = bench.run();
    for (const SequenceRequest& request : requests) {
      CAPTURE(request.id);
      if (request.pooling != Pooling::kNone)
        CHECK(embedding_among(events, request.id) == embedding_of(request));
      else
        CHECK(Bench::tokens_of(events, request.id) == answer_of(request, 1000).tokens);
    }
  }
}

TEST_CASE("a mean takes no prefix hit but leaves its blocks for others, the last position takes one") {
  Bench bench;
  auto first = input(1, 40, Pooling::kMean);
  REQUIRE(bench.enqueue(first).ok());
  bench.run();
  auto again = first, last = first;
  again.id = 2, last.id = 3, last.pooling = Pooling::kLast;
  REQUIRE(bench.enqueue(again).ok());
  auto plan = bench.step();
  CHECK(Bench::rows(plan) == "2:40");
  CHECK(embedding_among(bench.events, 2) == embedding_of(again));
  REQUIRE(bench.enqueue(last).ok());
  plan = bench.plan();
  CHECK(Bench::rows(plan) == "3:8");
  CHECK(plan->rows[0].position == 32);
  CHECK(plan->rows[0].sum == kNoIndex);
  CHECK(bench.events[0].cached_tokens == 32);
  bench.apply();
  CHECK(embedding_among(bench.events, 3) == embedding_of(last));
  CHECK(bench.scheduler.counts().prefix_query_tokens_total == 40);  // a mean does not ask
}

TEST_CASE("an input may fill the context and every block there is, and one token more is refused with the numbers") {
  BenchLimits limits;
  limits.context_length = 100;
  Bench bench(limits, 3);  // 48 positions
  auto full = input(1, 48, Pooling::kMean);
  REQUIRE(bench.enqueue(full).ok());
  CHECK(embedding_among(bench.run(), 1) == embedding_of(full));
  Status refused = bench.enqueue(input(2, 49, Pooling::kLast));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kContextLengthExceeded);
  CHECK(refused.error().message == "the input has 49 tokens; this model has room for 48");
  CHECK(refused.error().param == "input");
  auto one = input(3, 1, Pooling::kMean);
  REQUIRE(bench.enqueue(one).ok());
  CHECK(embedding_among(bench.run(), 3) == embedding_of(one));
}

TEST_CASE("contract 2: a preempted mean begins its sum anew and gives the same vector") {
  for (std::uint32_t in_flight : {1U, 2U}) {
    CAPTURE(in_flight);
    BenchLimits limits;
    limits.step_tokens_max = 8;
    limits.prefill_chunk_max = 3;
    limits.steps_in_flight = in_flight;
    Bench bench(limits, 5);
    REQUIRE(bench.enqueue(Bench::request(1, 14, 40)).ok());  // grows to 4 of 5 blocks
    auto mean = input(2, 60, Pooling::kMean);  // 4 blocks: the second of the other one has to come from it
    REQUIRE(bench.enqueue(mean).ok());
    auto events = bench.run();
    CHECK(bench.scheduler.counts().preemptions_total > 0);
    CHECK(bench.scheduler.counts().recomputed_tokens_total > 0);
    CHECK(embedding_among(events, 2) == embedding_of(mean));
    CHECK(Bench::tokens_of(events, 1) == answer_of(Bench::request(1, 14, 40), 80).tokens);
  }
}

TEST_CASE("contract 8: an executor's death costs an embedding time, not bits") {
  BenchLimits limits;
  limits.step_tokens_max = 6;
  Bench bench(limits);
  auto mean = input(1, 20, Pooling::kMean);
  REQUIRE(bench.enqueue(mean).ok());
  bench.step();
  bench.step();
  bench.plan();
  bench.lose_executor();
  auto plan = bench.plan();
  REQUIRE(plan->rows[0].position == 0);
  bench.apply();
  CHECK(embedding_among(bench.run(), 1) == embedding_of(mean));
  CHECK(bench.scheduler.counts().retries_total == 1);
}

TEST_CASE("contract 8: an embedding that is not finite, or no vector where one was asked for, fails alone") {
  auto outcome = GENERATE(RowOutcome::kNotFinite, RowOutcome::kNoToken, RowOutcome::kSampled, RowOutcome::kPooled);
  Bench bench;
  auto bad = input(1, 5, Pooling::kMean), good = input(2, 5, Pooling::kMean);
  REQUIRE(bench.enqueue(bad).ok());
  REQUIRE(bench.enqueue(good).ok());
  auto plan = bench.plan();
  bench.events.clear();
  StepResult result = bench.model.run(*plan);
  result.rows[0].outcome = outcome;
  result.rows[0].vector = {2, 1};  // outside
  bench.scheduler.apply(result, bench.now, bench.events);
  REQUIRE(bench.events.size() == 2);
  CHECK(bench.events[0].kind == Kind::kFailed);
  CHECK(bench.events[0].error.code == ErrorCode::kInternal);
  CHECK(bench.events[1].embedding == embedding_of(good));
}

TEST_CASE("running sums are one for each running mean, and come back with its end") {
  BenchLimits limits;
  limits.sequences_max = 3;
  limits.step_tokens_max = 30;
  Bench bench(limits);
  for (RequestId id = 1; id <= 40; ++id) {
    REQUIRE(bench.enqueue(input(id, 1 + id % 17, Pooling::kMean)).ok());
  }
  while (bench.scheduler.has_work()) {
    auto plan = bench.step();
    std::set<std::uint32_t> sums;
    for (const StepRow& row : plan->rows) {
      CHECK(row.sum < 3);
      CHECK(sums.insert(row.sum).second);
    }
  }
}

TEST_CASE("goodput counts an embedding by when its vector came") {
  BatcherOptions options;
  options.kv_blocks = 64;
  options.slo.ttft_ms = 50;
  Batcher batcher(options);
  ScriptedModel model(64);
  SteadyTime now{1s};
  auto serve = [&](RequestId id, std::chrono::milliseconds step) {
    auto request = input(id, 20, Pooling::kMean);
    request.arrived = now;
    model.know(id, "");
    REQUIRE(batcher.enqueue(request, now).ok());
    auto planned = batcher.next_step(now);
    REQUIRE(planned);
    now += step;
    REQUIRE(batcher.step_done(model.run(*planned->plan), now));
    batcher.events().clear();
  };
  serve(1, 10ms);
  CHECK(batcher.goodput().good_requests == 1);
  CHECK(batcher.goodput().good_tokens == 0);
  serve(2, 200ms);
  CHECK(batcher.goodput().late_first_token == 1);
}

TEST_CASE("response stream gives an embedding whole, and keeps its memory until it is read") {
  auto governor = std::make_shared<MemoryGovernor>(std::uint64_t{1} << 30U);
  MemoryLease lease(governor, MemoryUse::kAnswers);
  REQUIRE(lease.grow_to(embedding_bytes(3)));
  auto stream = std::make_shared<ResponseStream>(1);
  stream->keep(std::move(lease), embedding_bytes(3));
  stream->accept(5, 0, "class", false);
  stream->embed({1.0F, 2.0F, 3.0F});
  stream->finish(FinishReason::kStop, {5, 0, 0}, {});
  stream->embed({9.0F});  // too late
  ResponseStream::Cursor cursor;
  auto chunk = stream->read(cursor);
  CHECK(chunk.embedding == std::vector<float>{1.0F, 2.0F, 3.0F});
  CHECK(chunk.tokens.empty());
  CHECK(governor->used(MemoryUse::kAnswers) == embedding_bytes(3));
  stream.reset();
  CHECK(governor->used(MemoryUse::kAnswers) == 0);
}
