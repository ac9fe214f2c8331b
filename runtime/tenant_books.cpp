#include "runtime/tenant_books.hpp"

#include <algorithm>

namespace troupe {

Tenant& TenantBooks::enter(const std::string& name, double weight) {
  auto found = tenants_.find(name);
  if (found == tenants_.end()) {
    if (tenants_.size() >= active_ + kAbsentMax) forget_absent();
    found = tenants_.emplace(name, std::make_unique<Tenant>()).first;
  }
  Tenant& tenant = *found->second;
  tenant.weight = weight;
  if (tenant.live++ > 0) return tenant;
  bool is_alone = true;
  double least = 0;
  for (const auto& [other_name, other] : tenants_) {
    if (other.get() == &tenant || other->live == 0) continue;
    least = is_alone ? other->served : std::min(least, other->served);
    is_alone = false;
  }
  if (!is_alone) tenant.served = std::max(tenant.served, least);
  ++active_;
  return tenant;
}

void TenantBooks::leave(Tenant& tenant) {
  if (--tenant.live == 0) --active_;
}

void TenantBooks::forget_absent() {
  std::erase_if(tenants_, [](const auto& entry) { return entry.second->live == 0; });
}

const Tenant* TenantBooks::find(const std::string& name) const {
  auto found = tenants_.find(name);
  return found == tenants_.end() ? nullptr : found->second.get();
}

}  // namespace troupe
