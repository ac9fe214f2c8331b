#pragma once
// One actor per request. It takes the request through its stages (tokenize, result cache, batcher, tokens) and writes
// the answer to its response stream; the stream ends exactly once, at the latest when the actor does. Every way a
// request can end is this actor's end: the batcher and the cache then forget it.
#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include <memory>

#include "actors/live_request.hpp"
#include "actors/service_env.hpp"
#include "runtime/doors/response_stream.hpp"

namespace troupe {

struct RequestJob {
  Request request;                // with id and seed
  bool is_deterministic = false;  // as the client sent it, before the service drew a seed
  SteadyTime received{};   // the service has taken it in
  SteadyTime submitted{};  // its actor is about to be spawned
  std::shared_ptr<ResponseStream> stream;
  TenantStanding tenant;
  std::shared_ptr<LiveSlot> slot;
  MemoryLease memory;  // of prompt and tokens
  LiveRequestPtr live = std::make_shared<LiveRequest>();
};

caf::actor spawn_request(caf::actor_system& system, const ServiceEnvPtr& env, const caf::actor& supervisor,
                         RequestJob job);

}  // namespace troupe
