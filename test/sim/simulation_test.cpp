#include "sim/simulation.hpp"

#include <catch2/catch.hpp>

#include "load/random.hpp"

using namespace troupe;

namespace {

SimulationOptions of(const char* cost, const char* scenario, std::uint64_t seed = 1) {
  SimulationOptions options;
  options.cost = find_step_cost(cost);
  options.batcher = batcher_options(*options.cost);
  options.slo = options.cost->slo;
  options.machine = find_scenario(scenario);
  options.seed = seed;
  return options;
}

SimulationResult run(const char* cost, const char* scenario, std::uint32_t count = 600) {
  SimulationOptions options = of(cost, scenario);
  return simulate(make_trace(*options.machine, *options.cost, count, 1), options);
}

// First come, first served with fixed knobs and no admission: what servers ship.
SimulationOptions plain(const char* cost, const char* scenario, std::uint32_t chunk, std::uint32_t sequences) {
  SimulationOptions options = of(cost, scenario);
  options.batcher.slo = {0, 0, 0};
  options.batcher.window.mode = BatchWindowOptions::Mode::kFixed;
  options.batcher.window.window_max_ms = 0;
  options.batcher.window.prefill_chunk_max = chunk;
  options.batcher.limits.step_tokens_max = chunk + sequences;
  options.batcher.limits.sequences_max = sequences;
  return options;
}

}  // namespace

TEST_CASE("D18: the same trace gives the same schedule") {
  CHECK(run("cpu135", "day").schedule_hash == run("cpu135", "day").schedule_hash);
  CHECK(run("cpu135", "day").schedule_hash != run("cpu135", "step").schedule_hash);
}

TEST_CASE("the simulated server of one request takes the time its steps cost") {
  const StepCost& cost = *find_step_cost("cpu135");
  SimulationOptions options = of("cpu135", "poisson_low");
  options.machine = nullptr;
  Trace trace;
  trace.tenants = {""};
  trace.rows = {{0.0, 1, 3, 0}};
  SimulationResult result = simulate(trace, options);
  CHECK(result.finished == 1);
  CHECK(result.steps == 3);
  double expected_ms = cost.ms({0, 1, 0, 0}) + cost.ms({0, 1, 1, 0}) + cost.ms({0, 1, 2, 0});
  CHECK(result.first_token.max() * 1000 == Approx(cost.ms({0, 1, 0, 0})).epsilon(0.001));
  CHECK(result.first_token.max() * 1000 + 2 * result.gap.mean() * 1000 == Approx(expected_ms).epsilon(0.001));
}

TEST_CASE(
    "D1: with admission and a budget in milliseconds far more requests hold their targets than with fixed knobs") {
  for (const char* scenario : {"step", "day", "over2"}) {
    SimulationResult ours = run("cpu135", scenario);
    SimulationOptions fixed = plain("cpu135", scenario, 512, 32);
    SimulationResult theirs = simulate(make_trace(*fixed.machine, *fixed.cost, 600, 1), fixed);
    CAPTURE(scenario, ours.goodput(), theirs.goodput());
    CHECK(ours.goodput() > theirs.goodput() + 0.1);
  }
}

TEST_CASE("D7: at five times the load what was accepted is in time, but for the share that long prompts keep") {
  SimulationResult result = run("cpu135", "over5", 2000);
  CAPTURE(result.goodput(), result.allowance_p99, result.refused, result.finished);
  CHECK(result.refused > 600);
  CHECK(static_cast<double>(result.good) / static_cast<double>(result.finished) > 0.93);
  // Good answers a second: more than twice what a plain engine finishes at its capacity.
  CHECK(static_cast<double>(result.good) / result.span_s > 2 * find_step_cost("cpu135")->capacity_per_s);
}

TEST_CASE("D7: refused clients that come back when they were told are served, in time, and nothing is lost by it") {
  for (const char* scenario : {"over2", "over5", "spike3"}) {
    SimulationOptions options = of("cpu135", scenario);
    options.retries = 1;
    SimulationResult result = simulate(make_trace(*options.machine, *options.cost, 2000, 1), options);
    CAPTURE(scenario, result.first_retries, result.first_retry_success(), result.goodput(), result.allowance_p99);
    CHECK(result.first_retries > 400);
    CHECK(result.first_retry_success() >= 0.90);
    CHECK(result.allowance_p99 <= 1.0);
    CHECK(result.goodput() > 0.9);  // of all that were offered, at the first attempt or the second
  }
}

TEST_CASE("D7: without promises too, when the queue is full") {
  SimulationOptions options = of("cpu135", "over2");
  options.retries = 1;
  options.batcher.slo = options.slo = Slo{};
  options.batcher.limits.queue_max = 64;
  SimulationResult result = simulate(make_trace(*options.machine, *options.cost, 3000, 1), options);
  CAPTURE(result.first_retries, result.first_retry_success());
  CHECK(result.first_retries > 400);
  CHECK(result.first_retry_success() >= 0.85);
}

TEST_CASE("D8: a quiet tenant is served beside one that floods") {
  SimulationResult result = run("cpu135", "tenants", 2000);
  REQUIRE(result.tenants.contains("quiet"));
  double p99 = result.tenants["quiet"].first_token.quantile(0.99).value();
  CAPTURE(p99);
  CHECK(p99 < 1.0);
}

TEST_CASE("D1: the simulated machine that throttles to half is followed") {
  SimulationResult steady = run("cpu135", "poisson_low"), throttled = run("cpu135", "throttle");
  CAPTURE(steady.goodput(), throttled.goodput());
  CHECK(throttled.goodput() > 0.85);
}
