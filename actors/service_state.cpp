#include "actors/service_state.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "runtime/doors/access_log.hpp"

namespace troupe {
namespace {

LiveRequestState shown(const LiveRequest& request, SteadyTime now) {
  LiveRequestState state;
  state.id = request.id;
  state.request_id = request.request_id;
  state.tenant = tenant_label(request.tenant);
  state.route = request.route;
  state.priority = request.priority;
  state.stage = request.stage.load(std::memory_order_relaxed);
  state.prompt_tokens = request.prompt_tokens.load(std::memory_order_relaxed);
  state.completion_tokens = request.completion_tokens.load(std::memory_order_relaxed);
  state.age = now - request.arrived;
  return state;
}

}  // namespace

ServiceState service_state(const ServiceEnv& env, std::vector<const LiveRequest*> live) {
  const ServiceStatus& status = env.status;
  ServiceState state;
  state.is_draining = status.draining.load() || status.is_paused.load();
  if (std::uint32_t max = status.max_tokens_max.load(); max > 0) state.max_tokens = max;
  state.caches = {status.has_result_cache(), env.options.prefix_cache && status.shares_prefixes.load()};
  state.steps_started = status.steps_started.load();
  state.steps_completed = status.steps_completed.load();
  state.retry_after_s = status.retry_after_s.load();
  state.requests_live = status.live.load();
  std::sort(live.begin(), live.end(), [](const auto* a, const auto* b) { return a->id < b->id; });
  live.resize(std::min(live.size(), kLiveRequestsShown));
  for (const LiveRequest* request : live) state.requests.push_back(shown(*request, env.now()));
  return state;
}

std::uint64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace troupe
