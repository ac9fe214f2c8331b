#include "runtime/drain_rate.hpp"

#include <catch2/catch.hpp>

using namespace troupe;
using namespace std::chrono_literals;

namespace {
const SteadyTime kStart{100s};

// Steps of `tokens` each `gap`, for `length`.
SteadyTime drain(DrainRate& rate, std::uint64_t tokens, std::chrono::milliseconds gap, std::chrono::seconds length,
                 SteadyTime from) {
  SteadyTime now = from;
  for (; now <= from + length; now += gap) rate.completed(tokens, now);
  return now - gap;
}
}  // namespace

TEST_CASE("nothing measured yet: no rate") {
  DrainRate rate;
  REQUIRE(rate.tokens_per_second(kStart) == 0.0);
  rate.completed(100, kStart);  // one instant is no duration
}

TEST_CASE("a steady rate is measured as it is, from the second step on") {
  DrainRate rate;
  rate.completed(50, kStart);
  rate.completed(50, kStart + 100ms);
  REQUIRE(rate.tokens_per_second(kStart + 100ms) == Approx(500.0));
  SteadyTime now = drain(rate, 50, 100ms, 20s, kStart + 200ms);
  REQUIRE(rate.tokens_per_second(now) == Approx(500.0));
}

TEST_CASE("a change of speed is half learned after one half-life") {
  DrainRate rate;
  SteadyTime now = drain(rate, 100, 100ms, 60s, kStart);
  now = drain(rate, 200, 100ms, DrainRate::kHalfLife, now + 100ms);
  REQUIRE(rate.tokens_per_second(now) == Approx(1500.0).margin(20.0));
}

TEST_CASE("idleness is not slowness: a night without work halves the rate at most") {
  DrainRate rate;
  SteadyTime now = drain(rate, 100, 100ms, 60s, kStart);
  REQUIRE(rate.tokens_per_second(now + 8h) == Approx(500.0).margin(10.0));
  rate.completed(100, now + 8h);
  REQUIRE(rate.tokens_per_second(now + 8h) > 490.0);
}

TEST_CASE("several steps at one instant, or a clock that goes back, count once the time moves on") {
  DrainRate rate;
  rate.completed(1, kStart);
  rate.completed(300, kStart);
  rate.completed(200, kStart - 1s);
  rate.completed(500, kStart + 1s);
  REQUIRE(rate.tokens_per_second(kStart + 1s) == Approx(1000.0));
}
