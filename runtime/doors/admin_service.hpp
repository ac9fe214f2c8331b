#pragma once
// The door for an operator in an emergency: what can be done to a running service besides asking it to generate.
// Every call may come from any thread and none blocks. `done` is called exactly once, from any thread, with
// kShuttingDown when the service ends before it has an answer.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/request.hpp"
#include "runtime/result.hpp"

namespace troupe {

struct CacheSwitches {
  bool result_cache = true;
  bool prefix_cache = true;
};

struct LiveRequestState {
  RequestId id = 0;
  std::string request_id;  // the client's name for it
  std::string tenant;      // tenant_label
  std::string route;
  std::int32_t priority = 0;
  Stage stage = Stage::kReceive;
  std::uint32_t prompt_tokens = 0;  // 0: not known yet
  std::uint32_t completion_tokens = 0;
  std::chrono::nanoseconds age{};
};

inline constexpr std::size_t kLiveRequestsShown = 1000;

struct ServiceState {
  bool is_draining = false;
  std::optional<std::uint32_t> max_tokens;  // the clamp
  CacheSwitches caches;
  std::uint64_t batchers = 0;   // started so far
  std::uint64_t executors = 0;  // started so far
  std::uint64_t steps_started = 0;
  std::uint64_t steps_completed = 0;
  std::uint32_t retry_after_s = 0;
  std::uint32_t requests_live = 0;
  std::vector<LiveRequestState> requests;  // the oldest kLiveRequestsShown, oldest first
};

struct TrimReport {
  std::uint64_t resident_bytes_before = 0;
  std::uint64_t resident_bytes_after = 0;
  std::uint32_t kv_blocks_dropped = 0;
  std::uint64_t result_bytes_dropped = 0;
};

class AdminService {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  virtual ~AdminService() = default;

  virtual void set_draining(bool on) = 0;  // on: new requests are refused, running ones go on, /ready says so
  // Cancels every live request of a priority below; how many. New ones of that priority are accepted afterwards.
  virtual void shed(std::int32_t below_priority, Done<std::uint32_t> done) = 0;
  // A tenant by its name, by its key's digest in hex, or by at least 8 of its first digits; "anonymous": requests
  // without a key. kInvalidRequest for a name that no tenant has.
  virtual void cancel_tenant(std::string tenant, Done<std::uint32_t> done) = 0;
  // Later requests may generate at most so many tokens, whatever they ask for; nothing: as they ask.
  virtual void clamp(std::optional<std::uint32_t> max_tokens) = 0;
  // kInvalidRequest for a cache that the configuration left out: it cannot be switched on.
  virtual Status switch_caches(CacheSwitches switches) = 0;
  virtual CacheSwitches caches() const = 0;
  virtual void state(Done<ServiceState> done) = 0;
  virtual void trim(Done<TrimReport> done) = 0;  // drops what is only kept in case, returns memory to the system
};

}  // namespace troupe
