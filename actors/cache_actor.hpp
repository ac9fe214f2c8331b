#pragma once
// The actor around the result store. It also sees to it that an answer that is being computed is not computed a
// second time meanwhile (single flight): the first to ask leads, later ones follow and are answered when the leader
// publishes. When a leader ends without an answer, the first follower leads.
#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/service_env.hpp"

namespace troupe {

caf::actor spawn_cache(caf::actor_system& system, const ServiceEnvPtr& env);

}  // namespace troupe
