#pragma once
// What the operator's verbs answer, as JSON.
#include <string>

#include "runtime/doors/admin_service.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

// `metrics` may be null: then the figures the batcher publishes are left out.
std::string state_object(const ServiceState& state, const Metrics* metrics);
std::string caches_object(const CacheSwitches& caches);
std::string trim_object(const TrimReport& report);

}  // namespace troupe
