// D18: a few thousand seeds in check; `troupe simulate --explore FIRST --seeds N` plays more, or one again.
#include "sim/exploration.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

using namespace troupe;

TEST_CASE("D18: no interleaving of arrivals, cancels, deaths, hangs and full queues breaks a contract") {
  Exploration all;
  for (std::uint64_t seed = 1; seed <= 3000; ++seed) {
    Exploration one = explore(seed);
    if (one.broken) FAIL(*one.broken << "\nreplay: troupe simulate --explore " << seed);
    all.accepted += one.accepted, all.refused += one.refused, all.finished += one.finished;
    all.failed += one.failed, all.cancelled += one.cancelled, all.deaths += one.deaths;
    all.preemptions += one.preemptions;
  }
  CHECK(all.accepted == all.finished + all.failed + all.cancelled);
  // The games are worth playing: everything happens, and often.
  CHECK(all.refused > 1000);
  CHECK(all.finished > 10'000);
  CHECK(all.failed > 300);
  CHECK(all.cancelled > 1000);
  CHECK(all.deaths > 1000);
  CHECK(all.preemptions > 1000);
}

TEST_CASE("D18: the same seed gives the same schedule, another seed another") {
  for (std::uint64_t seed : {1U, 2U, 3U, 17U}) {
    Exploration first = explore(seed), again = explore(seed);
    CHECK(first.schedule_hash == again.schedule_hash);
    CHECK(first.events == again.events);
    CHECK(first.schedule_hash != explore(seed + 1000).schedule_hash);
  }
}
