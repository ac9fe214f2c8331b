#pragma once
// The root of the actors: starts cache, batcher and executor, starts anew what dies, knows every live request and
// its deadline, and leads the way down at the end.
//   executor dies            a new one with a fresh runner; the batcher requeues what was in flight
//   batcher dies             a new one and a new executor (the old one's blocks mean nothing to it); all requests
//                            hear of it and enqueue themselves again with the tokens they have
//   cache dies               a new, empty one; who waits for it computes
//   a request dies          a new one goes on with its answer, once
//   deaths_max in a row      the stage has failed: everything that waits gets a 500, readiness says so
// It monitors requests, requests never monitor it: an entry at a long-lived actor would stay there for ever.
#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/service_env.hpp"

namespace troupe {

caf::actor spawn_supervisor(caf::actor_system& system, const ServiceEnvPtr& env);

}  // namespace troupe
