#pragma once
// The actor around Scheduler, KvManager, BatchWindow and DrainRate: it feeds them messages and the time, and sends out
// what they decide. It never tokenizes, formats or blocks.
#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <cstdint>

#include "actors/service_env.hpp"

namespace troupe {

// `epoch` goes with every answer, so that a request can tell a dead batcher's last words. Steps start once an
// ExecutorIs has come.
caf::actor spawn_batcher(caf::actor_system& system, const ServiceEnvPtr& env, std::uint64_t epoch);

}  // namespace troupe
