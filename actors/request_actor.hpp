#pragma once
// One actor per request. It takes the request through its stages (tokenize, result cache, batcher, tokens) and writes
// the answer to its response stream. Every way a request can end is this actor's end: the batcher and the cache then
// forget it. When the actor dies before its answer has ended, the supervisor gives the answer to a new one, which goes
// on with the tokens there are.
#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/live_answer.hpp"

namespace troupe {

caf::actor spawn_request(caf::actor_system& system, const ServiceEnvPtr& env, const caf::actor& supervisor,
                         LiveAnswerPtr answer);

}  // namespace troupe
