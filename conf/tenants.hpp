#pragma once
// The [[tenant]] tables of a configuration file. There is no variable and no flag for them.
#include <string>
#include <vector>

#include "conf/settings.hpp"
#include "conf/toml_file.hpp"
#include "runtime/result.hpp"

namespace troupe {

// From the entries of all [[...]] tables, in the order of the file.
Result<std::vector<TenantSettings>> read_tenants(const std::vector<TomlEntry>& entries);

// As TOML that loads again; the keys are not in it, only how many there are.
std::string print_tenants(const std::vector<TenantSettings>& tenants);

// One line for people: "weight = 2, requests_max = 64, ..., 2 keys".
std::string tenant_text(const TenantSettings& tenant);

bool is_same(const TenantSettings& a, const TenantSettings& b);  // keys included

// Whatever is wrong with keys that more than one place may hold.
Status validate_keys(const Settings& settings);

}  // namespace troupe
