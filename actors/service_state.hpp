#pragma once
// What an operator is told of the service: counts that everybody may read, and the live requests the supervisor knows.
#include <cstdint>
#include <vector>

#include "actors/live_request.hpp"
#include "actors/service_env.hpp"
#include "runtime/doors/admin_service.hpp"

namespace troupe {

// Without batchers and executors, which only the supervisor counts.
ServiceState service_state(const ServiceEnv& env, std::vector<const LiveRequest*> live);

std::uint64_t resident_bytes();  // of the process; 0 when the system does not say

}  // namespace troupe
