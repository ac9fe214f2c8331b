#pragma once
// The door to the access log: one record for every sequence that ended, and for every HTTP request that was refused
// before it became one. No prompts, no answers, no keys.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "runtime/tenant_rule.hpp"

namespace troupe {

struct AccessRecord {
  std::chrono::system_clock::time_point at{};  // when it ended
  std::string request_id;
  const char* route = "";  // a literal
  std::string tenant;      // tenant_label
  std::uint32_t choice = 0;
  const char* outcome = "";  // "finished", "failed", "cancelled", "rejected", "abandoned"; "refused" by the network
  const char* reason = "";   // finish_reason, cancel reason or error code
  int status = 0;            // HTTP status of a refusal; 0: the answer's own business
  Usage usage;
  std::uint32_t retries = 0;
  std::optional<std::chrono::nanoseconds> first_token;  // since the arrival
  std::chrono::nanoseconds total{};
  StageTimes stages;
};

class AccessLog {
 public:
  virtual ~AccessLog() = default;
  virtual void ended(AccessRecord record) = 0;  // from any thread; never blocks, never fails
};

// What logs and operators may see of a tenant: its name, the first digits of its key's digest, "anonymous" without keys.
inline constexpr std::size_t kTenantLabelLength = 12;
inline std::string tenant_label(const std::string& tenant) {
  if (tenant.empty()) return "anonymous";
  return is_tenant_name(tenant) ? tenant : tenant.substr(0, kTenantLabelLength);
}

}  // namespace troupe
