#pragma once
// The named tenants while the server runs: who is which, and what each uses of what it may have. Any thread asks; one
// thread at a time changes the rules.
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/latest.hpp"
#include "runtime/request.hpp"
#include "runtime/result.hpp"
#include "runtime/tenant_rule.hpp"

namespace troupe {

// Tokens by the minute. A minute's worth may be used at once; what was used comes back at the rate. Kept as the time at
// which everything is paid off, so that it is one number: more than a minute ahead, nothing is left.
class TokenAllowance {
 public:
  static constexpr std::chrono::seconds kBurst{60};
  static constexpr std::chrono::seconds kDebtMax{600};  // no client is sent away for longer

  // More may be used than is left: what was admitted is served to its end, and is owed.
  void use(std::uint32_t tokens, std::uint32_t per_minute, SteadyTime now);
  // Until some are left; nothing: there are some.
  std::optional<std::chrono::nanoseconds> wait(SteadyTime now) const;

 private:
  std::atomic<std::int64_t> paid_off_ns_ = std::numeric_limits<std::int64_t>::min();  // steady time
};

// Which limit of its tenant a request met.
enum class TenantLimit : std::uint8_t { kRequests, kTokens, kPriority };
constexpr std::array<const char*, 3> label_values(TenantLimit) {
  return {"requests_max", "tokens_per_minute", "priority_max"};
}

// A tenant as a request found it when it came; a reload changes nothing of it.
struct TenantStanding {
  TenantClass tenant_class = TenantClass::kAnonymous;
  std::shared_ptr<const TenantRule> rule;  // none: without a name there is no limit
  double weight() const { return rule ? rule->weight : 1; }
};

class Tenants {
 public:
  // `tenant` as in Request: a name, a digest or empty.
  TenantStanding standing(const std::string& tenant) const;
  bool has_named(const std::string& name) const;  // ever

  // kConfiguration when the names, with those that were ever used, are more than there are classes: a metric never
  // changes its name.
  Status fits(const std::vector<TenantRule>& rules) const;
  // After fits(). Returns the names of the classes, in their order.
  std::vector<std::string> use(const std::vector<TenantRule>& rules);

  struct Refusal {
    TenantLimit limit;
    Error error;
  };
  // Takes a place among the tenant's live requests, to be given back by leave(). kInvalidRequest for the priority.
  std::optional<Refusal> enter(const TenantStanding& tenant, const Request& request, std::uint32_t retry_after_s,
                               SteadyTime now);
  void leave(const TenantStanding& tenant);
  void charge(const TenantStanding& tenant, std::uint32_t tokens, SteadyTime now);

 private:
  struct Rules {
    std::vector<std::string> names;                        // by class
    std::vector<std::shared_ptr<const TenantRule>> rules;  // by class; none for a name that is not in force any more
  };
  struct Use {
    std::atomic<std::uint32_t> live = 0;
    TokenAllowance tokens;
  };
  std::shared_ptr<const Rules> rules() const { return rules_.get(); }

  Latest<Rules> rules_{std::make_shared<const Rules>()};
  std::array<Use, kTenantClasses> uses_;
};

}  // namespace troupe
