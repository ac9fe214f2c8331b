#pragma once
// The actor around one StepRunner. It hands plans over in their order, at most steps_in_flight of them at a time, and
// its life is the runner's: when the runner throws, reports an error or answers with something that does not fit the
// plan, the actor ends with an error, and the supervisor starts another one with a fresh runner.
#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <cstdint>

#include "actors/service_env.hpp"

namespace troupe {

// `number` goes back with every StepDone, so that the batcher can tell a dead executor's last words.
caf::actor spawn_executor(caf::actor_system& system, const ServiceEnvPtr& env, std::uint64_t number);

}  // namespace troupe
