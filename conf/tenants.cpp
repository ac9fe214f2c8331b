#include "conf/tenants.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "conf/load.hpp"

namespace troupe {
namespace {

constexpr std::size_t kKeyMin = 8;
constexpr double kWeightMin = 0.001;
constexpr double kWeightMax = 1000;
constexpr const char* kFields[] = {"name", "api_keys", "weight", "requests_max", "tokens_per_minute", "priority_max"};

Error config_error(std::string message) { return Error{ErrorCode::kConfiguration, std::move(message), "", 0}; }

std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

Error wrong_type(const TomlEntry& entry, const char* wanted) {
  return config_error(entry.where + ": " + entry.path + " must be " + wanted);
}

std::optional<double> number_of(const TomlEntry& entry) {
  if (auto* whole = std::get_if<std::int64_t>(&entry.value)) return static_cast<double>(*whole);
  if (auto* real = std::get_if<double>(&entry.value)) return *real;
  return std::nullopt;
}

// A whole number, kept in an integer type of any size.
template <class Number>
Status set_whole(const TomlEntry& entry, std::int64_t min, std::int64_t max, Number& target) {
  auto* value = std::get_if<std::int64_t>(&entry.value);
  if (value == nullptr) return wrong_type(entry, "a whole number");
  if (*value < min || *value > max)
    return config_error(entry.where + ": " + entry.path + " is " + std::to_string(*value) + " (" + std::to_string(min) +
                        " to " + std::to_string(max) + ")");
  target = static_cast<Number>(*value);
  return {};
}

Status set_name(const TomlEntry& entry, std::string& target) {
  auto* name = std::get_if<std::string>(&entry.value);
  if (name == nullptr) return wrong_type(entry, "a string");
  if (!is_tenant_name(*name))
    return config_error(
        entry.where + ": tenant.name is " + quoted(name->substr(0, 80)) + " (1 to " +
        std::to_string(kTenantNameLengthMax) +
        " letters, digits, - _ . beginning with a letter; not \"anonymous\", \"other\" or what could be "
        "a digest's digits)");
  target = *name;
  return {};
}

Status set_weight(const TomlEntry& entry, double& target) {
  std::optional<double> weight = number_of(entry);
  if (!weight) return wrong_type(entry, "a number");
  // Written so that NaN is out of range.
  if (!(*weight >= kWeightMin && *weight <= kWeightMax))
    return config_error(entry.where + ": tenant.weight is " + number_text(*weight) + " (" + number_text(kWeightMin) +
                        " to " + number_text(kWeightMax) + ")");
  target = *weight;
  return {};
}

Status set_keys(const TomlEntry& entry, TextList& target) {
  auto* keys = std::get_if<TextList>(&entry.value);
  if (keys == nullptr) return wrong_type(entry, "a list of strings");
  target = *keys;
  return {};
}

Error unknown(const TomlEntry& entry) {
  std::string field = entry.path.substr(std::string_view("tenant.").size());
  auto nearest = std::min_element(std::begin(kFields), std::end(kFields), [&](const char* a, const char* b) {
    return edit_distance(field, a) < edit_distance(field, b);
  });
  return config_error(entry.where + ": unknown setting " + quoted(entry.path.substr(0, 80)) +
                      "; the nearest known one is \"tenant." + *nearest + "\"");
}

Status set_field(const TomlEntry& entry, TenantSettings& tenant) {
  if (entry.path == "tenant.name") return set_name(entry, tenant.rule.name);
  if (entry.path == "tenant.api_keys") return set_keys(entry, tenant.api_keys);
  if (entry.path == "tenant.weight") return set_weight(entry, tenant.rule.weight);
  if (entry.path == "tenant.requests_max") return set_whole(entry, 0, 1'000'000, tenant.rule.requests_max);
  if (entry.path == "tenant.tokens_per_minute")
    return set_whole(entry, 0, std::numeric_limits<std::uint32_t>::max(), tenant.rule.tokens_per_minute);
  using Priority = std::numeric_limits<std::int32_t>;
  if (entry.path == "tenant.priority_max")
    return set_whole(entry, Priority::min(), Priority::max(), tenant.rule.priority_max);
  return unknown(entry);
}

// One table, whose first entry stands for the table itself.
Result<TenantSettings> read_tenant(const TomlEntry* begin, const TomlEntry* end) {
  const std::string& where = begin->where;
  TenantSettings tenant;
  bool has_keys = false;
  for (const TomlEntry* entry = begin + 1; entry != end; ++entry) {
    if (Status status = set_field(*entry, tenant); !status) return status.error();
    has_keys |= entry->path == "tenant.api_keys";
  }
  if (tenant.rule.name.empty()) return config_error(where + ": a [[tenant]] has no name");
  // An empty list is a tenant that nobody is yet; a forgotten one is a mistake.
  if (!has_keys) return config_error(where + ": tenant " + quoted(tenant.rule.name) + " has no api_keys");
  return tenant;
}

std::string holder(const std::string& tenant) {
  return tenant.empty() ? "server.api_keys" : "tenant " + quoted(tenant);
}

}  // namespace

Result<std::vector<TenantSettings>> read_tenants(const std::vector<TomlEntry>& entries) {
  std::vector<TenantSettings> tenants;
  std::map<std::string, std::string> keys;  // key -> whose
  const TomlEntry* end = entries.data() + entries.size();
  for (const TomlEntry* at = entries.data(); at != end;) {
    if (!at->path.starts_with("tenant"))
      return config_error(at->where + ": [[" + at->path + "]] is a list of tables; only [[tenant]] is one");
    const TomlEntry* next = std::find_if(at + 1, end, [&](const TomlEntry& one) { return one.item != at->item; });
    if (tenants.size() == kTenantNamesMax)
      return config_error(at->where + ": more than " + std::to_string(kTenantNamesMax) + " tenants");
    Result<TenantSettings> tenant = read_tenant(at, next);
    if (!tenant) return tenant.error();
    for (const TenantSettings& other : tenants) {
      if (other.rule.name == tenant->rule.name)
        return config_error(at->where + ": there are two tenants named " + quoted(other.rule.name));
    }
    for (const std::string& key : tenant->api_keys) {
      auto [known, is_new] = keys.emplace(key, tenant->rule.name);
      if (!is_new)
        return config_error(at->where + ": " + holder(tenant->rule.name) + " has an API key that " +
                            holder(known->second) + " has already");
    }
    tenants.push_back(std::move(*tenant));
    at = next;
  }
  return tenants;
}

Status validate_keys(const Settings& settings) {
  std::map<std::string, std::string> keys;  // key -> whose
  auto check = [&](const TextList& list, const std::string& tenant) -> Status {
    for (const std::string& key : list) {
      if (key.size() < kKeyMin)
        return config_error(holder(tenant) + (tenant.empty() ? " holds a key of " : " has an API key of ") +
                            std::to_string(key.size()) + " characters (at least " + std::to_string(kKeyMin) + ")");
      auto [known, is_new] = keys.emplace(key, tenant);
      if (!is_new && known->second != tenant)
        return config_error(holder(tenant) + " has an API key that " + holder(known->second) + " has already");
    }
    return {};
  };
  if (Status status = check(settings.api_keys, ""); !status) return status;
  for (const TenantSettings& tenant : settings.tenants) {
    if (Status status = check(tenant.api_keys, tenant.rule.name); !status) return status;
  }
  return {};
}

std::string print_tenants(const std::vector<TenantSettings>& tenants) {
  std::string text;
  auto line = [&](std::string field, const char* why) {
    if (field.size() < 34) field.resize(34, ' ');
    text += field + "  # " + why + "\n";
  };
  for (const TenantSettings& tenant : tenants) {
    const TenantRule& rule = tenant.rule;
    text += "\n[[tenant]]\n";
    line("name = " + quoted(rule.name), "also its value of the metric label");
    line("api_keys = []", (std::to_string(tenant.api_keys.size()) + " keys, not shown").c_str());
    line("weight = " + number_text(rule.weight), "its share of the tokens while others wait too");
    line("requests_max = " + std::to_string(rule.requests_max), "live at once, beyond it 429; 0: no limit of its own");
    line("tokens_per_minute = " + std::to_string(rule.tokens_per_minute),
         "prompt and output, beyond it 429; 0: no limit");
    line("priority_max = " + std::to_string(rule.priority_max), "the highest priority a request may have");
  }
  return text;
}

std::string tenant_text(const TenantSettings& tenant) {
  const TenantRule& rule = tenant.rule;
  return "weight = " + number_text(rule.weight) + ", requests_max = " + std::to_string(rule.requests_max) +
         ", tokens_per_minute = " + std::to_string(rule.tokens_per_minute) +
         ", priority_max = " + std::to_string(rule.priority_max) + ", " + std::to_string(tenant.api_keys.size()) +
         " keys, not shown";
}

bool is_same(const TenantSettings& a, const TenantSettings& b) {
  return a.api_keys == b.api_keys && tenant_text(a) == tenant_text(b);
}

}  // namespace troupe
