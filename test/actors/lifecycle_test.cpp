// Overload, stalls, draining and the end of a service, with real threads.
#include <catch2/catch.hpp>
#include <future>

#include "test/actors/allocation_count.hpp"
#include "test/actors/service_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

TEST_CASE("contract 4, D7: five times the load is refused at once with 429 and a time, and memory stays flat") {
  ServiceBench bench;
  bench.options.requests_max = 16;
  bench.options.limits.sequences_max = 4;
  bench.options.limits.queue_max = 8;
  bench.runner.control->fault_at(1, ScriptedFault::kStall);
  std::atomic<std::uint32_t> running = 0;
  bench.runner.control->on_plan = [&](const StepPlan& plan) { running = static_cast<std::uint32_t>(plan.rows.size()); };
  ActorService& service = bench.start();

  std::vector<std::shared_ptr<ResponseStream>> kept;
  auto flood = [&](int requests) {
    for (int i = 0; i < requests; ++i) {
      auto stream = service.submit(request_for(ids_of("p" + std::to_string(i)), 5));
      if (all_of(*stream).phase == StreamPhase::kFailed) {
        CHECK(all_of(*stream).error.code == ErrorCode::kQueueFull);
        CHECK(all_of(*stream).error.retry_after_s >= 1);
      } else {
        kept.push_back(stream);
      }
      CHECK(service.live_requests() <= 16);
    }
  };
  flood(16);
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  // Those the batcher has no room for are refused by it; the rest waits: in the step and, 8 of them, in the queue.
  std::size_t waiting = running + 8;
  REQUIRE(eventually([&] { return service.live_requests() == waiting; }));
  kept.reserve(4096);
  std::int64_t before = bytes_held();
  for (int round = 0; round < 20; ++round) {
    flood(20);
    REQUIRE(eventually([&] { return service.live_requests() == waiting; }));
    std::erase_if(kept, [](const auto& stream) { return all_of(*stream).is_ended(); });
  }
  CHECK(bytes_held() - before < 256 << 10);
  CHECK(bench.options.metrics->queue_requests.value() <= 8);

  bench.runner.control->release();
  CHECK(kept.size() == waiting);
  for (const auto& stream : kept) CHECK(wait_for_end(*stream).phase == StreamPhase::kFinished);
  CHECK(wait_for_end(*service.submit(request_for(ids_of("after"), 5))).phase == StreamPhase::kFinished);
}

TEST_CASE("D12: a stalled executor makes the service not ready and is named until it goes on") {
  ServiceBench bench;
  ManualClock clock;
  bench.options.clock = clock.clock();
  bench.runner.control->fault_at(3, ScriptedFault::kStall);
  ActorService& service = bench.start();
  CHECK(service.readiness().state == Readiness::State::kReady);
  Request request = request_for(ids_of("hello"), 10);
  request.arrived = clock.now();
  auto stream = service.submit(request);
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  clock.advance(9s);
  CHECK(service.readiness().state == Readiness::State::kReady);
  clock.advance(2s);
  Readiness stalled = service.readiness();
  CHECK(stalled.state == Readiness::State::kStalled);
  CHECK(stalled.stage == "executor");
  CHECK(stalled.message == "the executor has work and has not finished any for 11 s");
  bench.runner.control->release();
  CHECK(wait_for_end(*stream).phase == StreamPhase::kFinished);
  CHECK(service.readiness().state == Readiness::State::kReady);
}

TEST_CASE("D12: stalled text workers are named") {
  ServiceBench bench;
  ManualClock clock;
  bench.options.clock = clock.clock();
  std::promise<void> is_busy, go_on;
  ActorService& service = bench.start();
  REQUIRE(bench.options.text_workers->try_post([&] { is_busy.set_value(), go_on.get_future().wait(); }, 0));
  is_busy.get_future().wait();
  Request request = request_for(std::string("hello"), 10);
  request.arrived = clock.now();
  auto stream = service.submit(request);
  REQUIRE(eventually([&] { return bench.options.text_workers->depth() == 1; }));
  clock.advance(11s);
  CHECK(service.readiness().stage == "text");
  go_on.set_value();
  CHECK(wait_for_end(*stream).phase == StreamPhase::kFinished);
}

TEST_CASE("R082: a crash loop makes the service failed, and it says so to everybody") {
  ServiceBench bench;
  bench.options.deaths_max = 2;
  bench.runner.control->fault_every(1, ScriptedFault::kError);
  ActorService& service = bench.start();
  auto stream = service.submit(request_for(ids_of("hello"), 10));
  auto chunk = wait_for_end(*stream);
  CHECK(chunk.error.code == ErrorCode::kInternal);
  Readiness failed = service.readiness();
  CHECK(failed.state == Readiness::State::kFailed);
  CHECK(failed.stage == "executor");
  CHECK(all_of(*service.submit(request_for(ids_of("hello"), 10))).error.code == ErrorCode::kNotReady);
}

TEST_CASE("R082: drain lets running requests finish and refuses new ones") {
  ServiceBench bench;
  bench.runner.control->fault_at(5, ScriptedFault::kStall);
  ActorService& service = bench.start();
  std::vector<std::shared_ptr<ResponseStream>> running;
  for (int i = 0; i < 4; ++i) running.push_back(service.submit(request_for(ids_of("p" + std::to_string(i)), 100)));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  for (const auto& stream : running) {
    REQUIRE(wait_for(*stream, [](const auto& chunk) { return chunk.phase == StreamPhase::kAccepted; }));
  }
  auto drained =
      std::async(std::launch::async, [&] { return service.drain(std::chrono::steady_clock::now() + kLimit); });
  REQUIRE(eventually([&] { return service.readiness().state == Readiness::State::kDraining; }));
  auto refused = service.submit(request_for(ids_of("late"), 5));
  CHECK(all_of(*refused).error.code == ErrorCode::kShuttingDown);
  bench.runner.control->release();
  CHECK(drained.get());
  for (const auto& stream : running) {
    CHECK(all_of(*stream).phase == StreamPhase::kFinished);
    CHECK(all_of(*stream).tokens.size() == 100);
  }
}

TEST_CASE("R082: what has not finished when draining ends is cancelled") {
  ServiceBench bench;
  bench.runner.control->fault_at(5, ScriptedFault::kStall);
  ActorService& service = bench.start();
  auto stream = service.submit(request_for(ids_of("p"), 100));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  CHECK_FALSE(service.drain(std::chrono::steady_clock::now() + 20ms));
  CHECK(all_of(*stream).phase == StreamPhase::kCancelled);
  CHECK(all_of(*stream).error.code == ErrorCode::kShuttingDown);
  CHECK(service.live_requests() == 0);
  bench.runner.control->release();
}

TEST_CASE("a service that is destroyed under load ends every stream") {
  ServiceBench bench;
  std::vector<std::shared_ptr<ResponseStream>> streams;
  ActorService& service = bench.start();
  for (int i = 0; i < 40; ++i) streams.push_back(service.submit(request_for(std::string("text"), 900)));
  REQUIRE(wait_for_tokens(*streams[0], 3));
  bench.service.reset();
  for (const auto& stream : streams) CHECK(all_of(*stream).is_ended());
  streams[0]->cancel(CancelReason::kClientGone);  // nobody is there any more
}

TEST_CASE("the destructor returns although the executor hangs, and nothing is lost when it wakes up") {
  ServiceBench bench;
  bench.options.stop = 50ms;
  bench.runner.control->fault_at(2, ScriptedFault::kStall);
  auto stream = bench.start().submit(request_for(ids_of("p"), 100));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  std::weak_ptr<Metrics> used = bench.options.metrics;
  auto before = std::chrono::steady_clock::now();
  bench.service.reset();
  CHECK(std::chrono::steady_clock::now() - before < 5s);
  CHECK(all_of(*stream).phase == StreamPhase::kCancelled);
  bench.options.metrics.reset();
  CHECK_FALSE(used.expired());
  bench.runner.control->release();
  CHECK(eventually([&] { return used.expired(); }));
}
