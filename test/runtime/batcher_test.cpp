#include "runtime/batcher.hpp"

#include <catch2/catch.hpp>

#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// A batcher, an executor that takes 2 ms a step and 0.5 ms a prompt position, and a clock.
struct BatcherBench {
  explicit BatcherBench(BatcherOptions options) : batcher(options), model(options.kv_blocks) {}

  static BatcherOptions options(Slo slo = {}) {
    BatcherOptions options;
    options.slo = slo;
    options.kv_blocks = 512;
    options.limits.context_length = 4096;
    return options;
  }

  Status enqueue(SequenceRequest request) {
    request.arrived = now;
    model.know(request.id, request.cache_key);
    return batcher.enqueue(std::move(request), now);
  }
  // One step, if one can start; its events.
  std::vector<SequenceEvent> step() {
    events.clear();
    auto one = batcher.next_step(now);
    take();
    if (!one) return events;
    StepShape shape = shape_of(*one->plan);
    close = one->close;
    now += std::chrono::microseconds(static_cast<int>(1000 * (2 + 0.5 * shape.prefill + 0.1 * shape.seqs) * slowness));
    REQUIRE(batcher.step_done(model.run(*one->plan), now));
    take();
    return events;
  }
  void run() {
    while (batcher.scheduler().has_work()) step();
  }
  void warm_up() {
    for (RequestId id = 1'000'000; id < 1'000'040; ++id) {
      REQUIRE(enqueue(Bench::request(id, 40 + id % 100, 4)));
      run();
    }
  }

  SteadyTime now{1s};
  Batcher batcher;
  ScriptedModel model;
  std::vector<SequenceEvent> events;
  BatchClose close = BatchClose::kIdle;
  double slowness = 1;

 private:
  void take() {
    events.insert(events.end(), batcher.events().begin(), batcher.events().end());
    batcher.events().clear();
  }
};

}  // namespace

TEST_CASE("D7: beyond what is promised a request is refused before it costs anything, with a time to come back") {
  BatcherBench bench(BatcherBench::options({200, 1, 50}));
  bench.warm_up();
  int accepted = 0;
  std::optional<Error> refused;
  for (RequestId id = 1; id <= 30 && !refused; ++id) {
    Status status = bench.enqueue(Bench::request(id, 100, 5));
    if (status.ok()) ++accepted;
    if (!status.ok()) refused = status.error();
  }
  REQUIRE(refused);
  CHECK(refused->code == ErrorCode::kQueueFull);
  CHECK(refused->retry_after_s >= 1);
  CHECK(refused->message.find("300 ms are promised for a prompt of 100 tokens") != std::string::npos);
  CHECK(accepted >= 4);  // 50 ms each, 300 allowed
  CHECK(accepted <= 8);
  CHECK(bench.batcher.refused_total() == 1);
  std::uint64_t before = bench.batcher.goodput().good_requests;
  bench.run();
  CHECK(bench.batcher.goodput().good_requests - before == static_cast<std::uint64_t>(accepted));  // and it was held
}

TEST_CASE("without a promise the same load is served to its end") {
  BatcherBench bench(BatcherBench::options());
  bench.warm_up();
  for (RequestId id = 1; id <= 30; ++id) REQUIRE(bench.enqueue(Bench::request(id, 100, 5)));
  bench.run();
  const Goodput& goodput = bench.batcher.goodput();
  CHECK(goodput.good_requests + goodput.late_first_token + goodput.late_gaps == 70);
  CHECK(goodput.late_first_token > 0);
}

TEST_CASE("D6: a deadline that cannot be met is refused at the door, one that becomes so is dropped before prefill") {
  BatcherBench bench(BatcherBench::options());
  bench.warm_up();
  SequenceRequest hopeless = Bench::request(1, 400, 5);
  hopeless.deadline = bench.now + 50ms;  // it takes 200
  Status status = bench.enqueue(hopeless);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kDeadlineExceeded);
  CHECK(status.error().message.find("deadline is 50 ms away") != std::string::npos);

  SequenceRequest possible = Bench::request(2, 400, 5);
  possible.deadline = bench.now + 250ms;
  REQUIRE(bench.enqueue(possible));
  bench.now += 150ms;  // time goes by before its turn
  auto events = bench.step();
  REQUIRE(events.size() == 1);
  CHECK(events[0].kind == Kind::kFailed);
  CHECK(events[0].error.code == ErrorCode::kDeadlineExceeded);
  CHECK(bench.batcher.kv().counts().referenced == 0);
}

TEST_CASE("who is late anyway lets those go first who can still be in time, once") {
  BatcherOptions options = BatcherBench::options({100, 0, 50});
  options.limits.sequences_max = 1;
  BatcherBench bench(options);
  bench.warm_up();
  REQUIRE(bench.enqueue(Bench::request(1, 40, 2)));
  REQUIRE(bench.enqueue(Bench::request(2, 41, 2)));
  bench.now += 200ms;  // a stall: both are late
  REQUIRE(bench.enqueue(Bench::request(3, 42, 2)));
  std::vector<RequestId> order;
  while (bench.batcher.scheduler().has_work()) {
    for (const SequenceEvent& event : bench.step()) {
      if (event.kind == Kind::kFinished) order.push_back(event.id);
    }
  }
  CHECK(order == std::vector<RequestId>{3, 1, 2});
  CHECK(bench.batcher.scheduler().counts().postponed_total == 2);
}

TEST_CASE("D5: a cancelled sequence's blocks are free at once, or when the step in flight is back") {
  BatcherBench bench(BatcherBench::options());
  REQUIRE(bench.enqueue(Bench::request(1, 40, 50)));
  REQUIRE(bench.enqueue(Bench::request(2, 40, 50)));
  bench.step();
  bench.batcher.drop(1, bench.now - 3ms, bench.now);
  REQUIRE(bench.batcher.frees() == std::vector<std::chrono::nanoseconds>{3ms});
  bench.batcher.frees().clear();

  auto step = bench.batcher.next_step(bench.now);
  REQUIRE(step);
  bench.batcher.drop(2, bench.now, bench.now);
  CHECK(bench.batcher.frees().empty());
  CHECK(bench.batcher.kv().counts().referenced > 0);
  bench.now += 7ms;
  REQUIRE(bench.batcher.step_done(bench.model.run(*step->plan), bench.now));
  CHECK(bench.batcher.frees() == std::vector<std::chrono::nanoseconds>{7ms});
  CHECK(bench.batcher.kv().counts().referenced == 0);
}

TEST_CASE("R070, R083: a fixed window is measured from the first that waits and closes for a full batch") {
  BatcherOptions options = BatcherBench::options();
  options.window.mode = BatchWindowOptions::Mode::kFixed;
  options.window.window_max_ms = 10;
  options.limits.sequences_max = 3;
  BatcherBench bench(options);
  REQUIRE(bench.enqueue(Bench::request(1, 20, 2)));
  REQUIRE_FALSE(bench.batcher.next_step(bench.now));
  REQUIRE(bench.batcher.wake_at() == bench.now + 10ms);
  bench.now += 9ms;
  REQUIRE(bench.enqueue(Bench::request(2, 20, 2)));
  REQUIRE_FALSE(bench.batcher.next_step(bench.now));
  CHECK(bench.batcher.wake_at() == bench.now + 1ms);
  REQUIRE(bench.enqueue(Bench::request(3, 20, 2)));
  bench.step();
  CHECK(bench.close == BatchClose::kFull);
  bench.run();

  REQUIRE(bench.enqueue(Bench::request(4, 20, 2)));
  bench.now += 10ms;
  bench.step();
  CHECK(bench.close == BatchClose::kWindow);
  bench.run();

  SequenceRequest pressed = Bench::request(5, 20, 2);
  pressed.deadline = bench.now + 15ms;
  REQUIRE(bench.enqueue(pressed));
  bench.step();
  CHECK(bench.close == BatchClose::kDeadline);
  bench.run();

  bench.batcher.drain();
  REQUIRE(bench.enqueue(Bench::request(6, 20, 2)));
  bench.step();
  CHECK(bench.close == BatchClose::kIdle);
}

TEST_CASE("R084: with nobody waiting there is nothing to wake up for") {
  BatcherBench bench(BatcherBench::options());
  CHECK_FALSE(bench.batcher.next_step(bench.now));
  CHECK_FALSE(bench.batcher.wake_at());
}

TEST_CASE("D1: streams keep the promised gap while a long prompt is computed beside them") {
  BatcherOptions options = BatcherBench::options({1000, 2, 40});
  BatcherBench bench(options);
  bench.warm_up();
  for (RequestId id = 1; id <= 4; ++id) REQUIRE(bench.enqueue(Bench::request(id, 30, 400)));
  for (int i = 0; i < 10; ++i) bench.step();
  REQUIRE(bench.enqueue(Bench::request(9, 2000, 2)));
  SteadyTime before = bench.now;
  double longest = 0;
  while (bench.batcher.scheduler().load(bench.now).prompt_tokens > 0) {
    bench.step();
    longest = std::max(longest, std::chrono::duration<double, std::milli>(bench.now - before).count());
    before = bench.now;
  }
  CHECK(longest <= 40);
  CHECK(longest >= 15);  // and the time is used
}
