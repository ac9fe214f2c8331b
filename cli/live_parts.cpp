#include "cli/live_parts.hpp"

#include "cli/log_sink.hpp"

namespace troupe {

std::vector<TenantRule> tenant_rules(const Settings& settings) {
  std::vector<TenantRule> rules;
  for (const TenantSettings& tenant : settings.tenants) rules.push_back(tenant.rule);
  return rules;
}

HttpTuning http_tuning(const Settings& settings) {
  HttpTuning tuning;
  tuning.api_keys = settings.api_keys;
  for (const TenantSettings& tenant : settings.tenants) {
    for (const std::string& key : tenant.api_keys) tuning.tenant_keys.push_back({key, tenant.rule.name});
  }
  tuning.limits.body_bytes_max = settings.body_max.value;
  tuning.limits.head_timeout = std::chrono::milliseconds(settings.head_timeout_ms);
  tuning.limits.body_timeout = std::chrono::milliseconds(settings.body_timeout_ms);
  tuning.limits.keep_alive = std::chrono::milliseconds(settings.keep_alive_ms);
  tuning.limits.write_stall = std::chrono::milliseconds(settings.write_stall_ms);
  tuning.limits.sse_keep_alive = std::chrono::milliseconds(settings.sse_keep_alive_ms);
  tuning.limits.connections_max = settings.connections_max;
  tuning.cors_origin = settings.cors_origin;
  tuning.guide_compat = settings.guide_compat;
  return tuning;
}

ServiceTuning service_tuning(const Settings& settings) {
  return {settings.cache_enabled ? static_cast<std::size_t>(settings.cache_memory.value) : 0,
          std::chrono::milliseconds(settings.stall_ms), tenant_rules(settings)};
}

Status AccessLogPart::prepare(const Settings& wanted) {
  auto target = AccessLogFile::Target::open(wanted.access_log);
  if (!target) return target.error();
  target_.emplace(std::move(*target));
  return {};
}

void AccessLogPart::apply(const Settings&) {
  log_.use(std::move(*target_));
  target_.reset();
}

Status ServerPart::prepare(const Settings& wanted) { return engine_.service->can_retune(service_tuning(wanted)); }

void ServerPart::apply(const Settings& wanted) {
  set_log_level(wanted.log_level);
  server_.retune(http_tuning(wanted));
  engine_.governor->set_limit(engine_.memory_limit(wanted));
  engine_.service->retune(service_tuning(wanted));
  engine_.catalog->set_aliases(wanted.model_aliases);
}

}  // namespace troupe
