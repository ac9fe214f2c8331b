#include "runtime/tenant_books.hpp"

#include <algorithm>
#include <optional>

namespace troupe {

Tenant& TenantBooks::enter(const std::string& name, double weight) {
  auto found = tenants_.find(name);
  if (found == tenants_.end()) {
    if (tenants_.size() >= active_ + kAbsentMax) forget_absent();
    found = tenants_.emplace(name, std::make_unique<Tenant>()).first;
  }
  Tenant& tenant = *found->second;
  tenant.weight = weight;
  if (tenant.live > 0) {
    ++tenant.live;
    return tenant;
  }
  tenant.served = std::max(tenant.served, least_served());
  ++tenant.live;
  ++active_;
  return tenant;
}

void TenantBooks::leave(Tenant& tenant) {
  if (--tenant.live == 0) --active_;
}

double TenantBooks::least_served() const {
  std::optional<double> least;
  for (const auto& [name, tenant] : tenants_) {
    if (tenant->live > 0) least = least ? std::min(*least, tenant->served) : tenant->served;
  }
  return least.value_or(0);
}

double TenantBooks::rank(const std::string& name, double least) const {
  const Tenant* tenant = find(name);
  if (tenant == nullptr) return least;
  return tenant->live > 0 ? tenant->served : std::max(tenant->served, least);
}

void TenantBooks::forget_absent() {
  std::erase_if(tenants_, [](const auto& entry) { return entry.second->live == 0; });
}

const Tenant* TenantBooks::find(const std::string& name) const {
  auto found = tenants_.find(name);
  return found == tenants_.end() ? nullptr : found->second.get();
}

}  // namespace troupe
