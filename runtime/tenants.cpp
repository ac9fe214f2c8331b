#include "runtime/tenants.hpp"

#include <algorithm>
#include <cctype>

namespace troupe {
namespace {

constexpr double kMinuteNs = 60e9;

std::int64_t ns_of(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::int64_t ns_of(std::chrono::seconds time) { return std::chrono::nanoseconds(time).count(); }

std::uint32_t whole_seconds(std::chrono::nanoseconds time) {
  return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(time).count());
}

std::string quoted(const std::string& name) { return "tenant \"" + name + "\""; }

}  // namespace

bool is_digest_digits(std::string_view text) {
  auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() >= kTenantDigitsMin && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_tenant_name(std::string_view text) {
  if (text.empty() || text.size() > kTenantNameLengthMax || std::isalpha(static_cast<unsigned char>(text[0])) == 0) {
    return false;
  }
  auto is_allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.';
  };
  return std::all_of(text.begin(), text.end(), is_allowed) && text != "anonymous" && text != "other" &&
         !is_digest_digits(text);
}

void TokenAllowance::use(std::uint32_t tokens, std::uint32_t per_minute, SteadyTime now) {
  std::int64_t now_ns = ns_of(now);
  double cost_ns = std::min(tokens * kMinuteNs / per_minute, static_cast<double>(ns_of(kBurst + kDebtMax)));
  std::int64_t held = paid_off_ns_.load(std::memory_order_relaxed);
  std::int64_t wanted = 0;
  do {
    wanted = std::min(std::max(held, now_ns) + static_cast<std::int64_t>(cost_ns), now_ns + ns_of(kBurst + kDebtMax));
  } while (!paid_off_ns_.compare_exchange_weak(held, wanted, std::memory_order_relaxed));
}

std::optional<std::chrono::nanoseconds> TokenAllowance::wait(SteadyTime now) const {
  std::int64_t until = paid_off_ns_.load(std::memory_order_relaxed);
  std::int64_t burst_ends = ns_of(now) + ns_of(kBurst);
  if (until < burst_ends) return std::nullopt;
  return std::chrono::nanoseconds(until - burst_ends + 1);
}

TenantStanding Tenants::standing(const std::string& tenant) const {
  if (tenant.empty()) return {};
  auto rules = this->rules();
  for (std::size_t i = 0; i < rules->names.size(); ++i) {
    if (rules->names[i] == tenant && rules->rules[i]) return {named_class(i), rules->rules[i]};
  }
  return {TenantClass::kOther, nullptr};
}

bool Tenants::has_named(const std::string& name) const {
  auto rules = this->rules();
  return std::find(rules->names.begin(), rules->names.end(), name) != rules->names.end();
}

Status Tenants::fits(const std::vector<TenantRule>& wanted) const {
  std::size_t count = rules()->names.size();
  for (const TenantRule& rule : wanted) {
    if (has_named(rule.name) || ++count <= kTenantNamesMax) continue;
    return Error{ErrorCode::kConfiguration,
                 quoted(rule.name) + " needs a restart: metrics have had " + std::to_string(kTenantNamesMax) +
                     " names of tenants since the start (at most " + std::to_string(kTenantNamesMax) + ")",
                 "", 0};
  }
  return {};
}

std::vector<std::string> Tenants::use(const std::vector<TenantRule>& wanted) {
  TROUPE_CHECK(fits(wanted).ok(), "tenants are checked before they are used");
  auto made = std::make_shared<Rules>();
  made->names = rules()->names;
  made->rules.resize(made->names.size());
  for (const TenantRule& rule : wanted) {
    auto known = std::find(made->names.begin(), made->names.end(), rule.name);
    if (known == made->names.end()) {
      made->names.push_back(rule.name);
      made->rules.push_back(std::make_shared<const TenantRule>(rule));
    } else {
      made->rules[static_cast<std::size_t>(known - made->names.begin())] = std::make_shared<const TenantRule>(rule);
    }
  }
  std::vector<std::string> names = made->names;
  rules_.set(std::move(made));
  return names;
}

std::optional<Tenants::Refusal> Tenants::enter(const TenantStanding& tenant, const Request& request,
                                               std::uint32_t retry_after_s, SteadyTime now) {
  if (!tenant.rule) return std::nullopt;
  const TenantRule& rule = *tenant.rule;
  if (request.priority > rule.priority_max) {
    return Refusal{TenantLimit::kPriority,
                   {ErrorCode::kInvalidRequest,
                    "priority is " + std::to_string(request.priority) + "; " + quoted(rule.name) +
                        " may ask for at most " + std::to_string(rule.priority_max),
                    "priority", 0}};
  }
  Use& use = uses_[index_of(tenant.tenant_class)];
  if (auto wait = use.tokens.wait(now); wait && rule.tokens_per_minute > 0) {
    return Refusal{TenantLimit::kTokens,
                   {ErrorCode::kRateLimited,
                    quoted(rule.name) + " has used its " + std::to_string(rule.tokens_per_minute) +
                        " tokens per minute (tokens_per_minute)",
                    "", std::max(1U, whole_seconds(*wait))}};
  }
  if (use.live.fetch_add(1) < rule.requests_max || rule.requests_max == 0) return std::nullopt;
  use.live.fetch_sub(1);
  return Refusal{TenantLimit::kRequests,
                 {ErrorCode::kRateLimited,
                  quoted(rule.name) + " has " + std::to_string(rule.requests_max) +
                      " requests running, as many as it may have (requests_max)",
                  "", std::max(1U, retry_after_s)}};
}

void Tenants::leave(const TenantStanding& tenant) {
  if (tenant.rule) uses_[index_of(tenant.tenant_class)].live.fetch_sub(1);
}

void Tenants::charge(const TenantStanding& tenant, std::uint32_t tokens, SteadyTime now) {
  if (!tenant.rule || tenant.rule->tokens_per_minute == 0) return;
  uses_[index_of(tenant.tenant_class)].tokens.use(tokens, tenant.rule->tokens_per_minute, now);
}

}  // namespace troupe
