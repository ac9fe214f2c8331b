#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>

#include "test/runtime/allocation_counter.hpp"
#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

// Sequences that decode, with a step in flight of which `answer` is the result.
struct Decoding {
  Decoding(std::uint32_t sequences, std::uint32_t steps_in_flight, std::size_t prompt_tokens)
      : kv(sequences * 256, true),
        scheduler(limits(sequences, steps_in_flight), kv),
        budget(fixed_budget(limits(sequences, steps_in_flight))) {
    for (RequestId id = 1; id <= sequences; ++id) {
      auto request = Bench::request(id, prompt_tokens, 2000);
      request.stop_tokens = {-1};
      if (!scheduler.enqueue(request, now).ok()) FAIL("no room");
    }
    events.reserve(4 * sequences);
    for (int i = 0; i < 50; ++i) step();
  }
  static BenchLimits limits(std::uint32_t sequences, std::uint32_t steps_in_flight) {
    BenchLimits made;
    made.sequences_max = sequences;
    made.step_tokens_max = 8192;
    made.context_length = 4096;
    made.steps_in_flight = steps_in_flight;
    return made;
  }

  void plan() { in_flight[planned++ % 2] = scheduler.plan(now, budget, events); }
  void apply() {
    const StepPlan& plan = *in_flight[applied++ % 2];
    result.clear();
    result.step = plan.step;
    for (const StepRow& row : plan.rows) {
      RowResult& out = result.rows.emplace_back();
      out.sequence = row.sequence;
      if (row.sampling == kNoIndex) continue;
      out.outcome = RowOutcome::kSampled;
      out.token = 7;
    }
    scheduler.apply(result, now, events);
    events.clear();
  }
  void step() {
    while (planned - applied < scheduler.limits().steps_in_flight) plan();
    apply();
  }

  SteadyTime now{std::chrono::seconds(1)};
  KvManager kv;
  Scheduler scheduler;
  BatchWindow budget;
  std::vector<SequenceEvent> events;
  StepResult result;
  std::shared_ptr<const StepPlan> in_flight[2];
  std::uint32_t planned = 0, applied = 0;
};

}  // namespace

TEST_CASE("contract 7: planning and booking a step of 32 decoding sequences allocates next to nothing") {
  for (std::uint32_t steps_in_flight : {1U, 2U}) {
    Decoding decoding(32, steps_in_flight, 40);
    std::uint64_t most = 0, all = 0;
    constexpr int kSteps = 300;
    for (int i = 0; i < kSteps; ++i) {
      std::uint64_t before = allocations();
      decoding.step();
      most = std::max(most, allocations() - before);
      all += allocations() - before;
    }
    // Token and block lists double now and then, those of all sequences in the same step.
    INFO("steps in flight " << steps_in_flight << ", allocations " << all << " in " << kSteps << " steps, at most "
                            << most);
    REQUIRE(all <= 32 * 4 + 20);
    REQUIRE(most <= 32 * 2 + 20);
  }
}

TEST_CASE("contract 7: planning alone, with all capacities grown, allocates nothing") {
  Decoding decoding(32, 1, 40);
  std::uint64_t steps_without = 0;
  for (int i = 0; i < 64; ++i) {
    std::uint64_t before = allocations();
    decoding.plan();
    if (allocations() == before) ++steps_without;
    REQUIRE(allocations() - before <= 32 + 4);
    decoding.apply();
  }
  REQUIRE(steps_without >= 60);
}

// Prints microseconds per step for plan() and apply(): run it by name, in an optimised build.
TEST_CASE("cost of a step", "[.cost]") {
  using Time = std::chrono::steady_clock;
  for (std::uint32_t steps_in_flight : {1U, 2U}) {
    for (std::uint32_t sequences : {1U, 8U, 32U, 128U, 256U}) {
      Decoding decoding(sequences, steps_in_flight, 500);
      Time::duration planning{}, booking{};
      constexpr int kSteps = 1000;
      for (int i = 0; i < kSteps; ++i) {
        auto start = Time::now();
        while (decoding.planned - decoding.applied < steps_in_flight) decoding.plan();
        auto middle = Time::now();
        decoding.apply();
        planning += middle - start;
        booking += Time::now() - middle;
      }
      auto us = [](Time::duration time) { return std::chrono::duration<double, std::micro>(time).count() / kSteps; };
      std::printf("in flight %u, %3u sequences of 550-1550 tokens: plan %.2f us, apply %.2f us\n", steps_in_flight,
                  sequences, us(planning), us(booking));
    }
  }
}
