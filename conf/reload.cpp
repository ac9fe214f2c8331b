#include "conf/reload.hpp"

#include <algorithm>

#include "conf/tenants.hpp"

namespace troupe {
namespace {

Status refuse_restarts(const std::vector<KnobChange>& changes) {
  std::string list;
  for (const KnobChange& change : changes) {
    if (change.is_live) continue;
    list += (list.empty() ? "" : "; ") + change.path + " (" + change.from + " -> " + change.to + ")";
  }
  if (list.empty()) return {};
  return Error{ErrorCode::kConfiguration, "nothing was changed: these settings need a restart: " + list, "", 0};
}

const TenantSettings* find_tenant(const Settings& settings, const std::string& name) {
  auto found = std::find_if(settings.tenants.begin(), settings.tenants.end(),
                            [&](const TenantSettings& tenant) { return tenant.rule.name == name; });
  return found == settings.tenants.end() ? nullptr : &*found;
}

// Those that go or change, then those that are new.
void add_tenant_changes(const Settings& running, const Settings& wanted, std::vector<KnobChange>& changes) {
  for (const TenantSettings& tenant : running.tenants) {
    const TenantSettings* now = find_tenant(wanted, tenant.rule.name);
    if (now != nullptr && is_same(tenant, *now)) continue;
    changes.push_back({"tenant." + tenant.rule.name, tenant_text(tenant), now ? tenant_text(*now) : "", kLive});
  }
  for (const TenantSettings& tenant : wanted.tenants) {
    if (find_tenant(running, tenant.rule.name) != nullptr) continue;
    changes.push_back({"tenant." + tenant.rule.name, "", tenant_text(tenant), kLive});
  }
}

}  // namespace

std::vector<KnobChange> changes_between(const Settings& running, const Settings& wanted) {
  std::vector<KnobChange> changes;
  for (const Knob& knob : kKnobs) {
    if (value_text(knob, running) == value_text(knob, wanted)) continue;
    changes.push_back({knob.path, shown_value(knob, running), shown_value(knob, wanted), knob.is_live});
  }
  add_tenant_changes(running, wanted, changes);
  return changes;
}

Reloader::Reloader(ConfigSources sources, Settings running, std::vector<ReloadPart*> parts)
    : sources_(std::move(sources)), running_(std::move(running)), parts_(std::move(parts)) {}

Result<Reload> Reloader::reload(bool dry_run) {
  Result<LoadedSettings> wanted = load_settings(sources_);
  if (!wanted) return wanted.error();
  Reload reload;
  reload.changes = changes_between(running_, wanted->settings);
  if (Status status = refuse_restarts(reload.changes); !status) return status.error();
  if (dry_run || reload.changes.empty()) return reload;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    Status status = parts_[i]->prepare(wanted->settings);
    if (status) continue;
    for (std::size_t made = 0; made <= i; ++made) parts_[made]->forget();
    return Error{ErrorCode::kConfiguration, "nothing was changed: " + status.error().message, "", 0};
  }
  for (ReloadPart* part : parts_) part->apply(wanted->settings);
  running_ = wanted->settings;
  reload.is_applied = true;
  return reload;
}

}  // namespace troupe
