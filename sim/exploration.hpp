#pragma once
// Looks for interleavings that break a contract: a small server with limits drawn from a seed, and everything that can
// happen to it in an order drawn from the same seed: arrivals, cancels, deaths of the executor, steps that hang, steps
// that come back at the very moment of something else, full queues, deadlines. The same seed plays the same game.
#include <cstdint>
#include <optional>
#include <string>

namespace troupe {

struct Exploration {
  std::uint64_t schedule_hash = 0;
  std::uint64_t events = 0;
  std::uint64_t accepted = 0, refused = 0, finished = 0, failed = 0, cancelled = 0, deaths = 0, preemptions = 0;
  std::optional<std::string> broken;  // the contract, and when
};

Exploration explore(std::uint64_t seed);

}  // namespace troupe
