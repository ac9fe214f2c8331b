// D8: what a named tenant may have, who is which, and what is counted by tenant.
#include "runtime/tenants.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <thread>

#include "runtime/metrics.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const SteadyTime kStart{1000s};

TenantRule rule(std::string name, std::uint32_t requests_max = 0, std::uint32_t tokens_per_minute = 0) {
  TenantRule made;
  made.name = std::move(name);
  made.requests_max = requests_max;
  made.tokens_per_minute = tokens_per_minute;
  return made;
}

}  // namespace

TEST_CASE("D8: names of tenants are words that cannot be a digest, nor a class of their own") {
  for (const char* good : {"a", "search", "Team-7_b.x", "dead", "beef", "deadbeefs"}) {
    INFO(good);
    CHECK(is_tenant_name(good));
  }
  for (const char* bad : {"", "7a", "-a", "a b", "a\"b", "a\nb", "\xC3\xA9t\xC3\xA9", "anonymous", "other", "deadbeef",
                          "abcdefabcdef", "abcdefghijklmnopqrstuvwxyzabcdefg"}) {
    INFO(bad);
    CHECK_FALSE(is_tenant_name(bad));
  }
  CHECK_FALSE(is_tenant_name(std::string_view("a\0b", 3)));
}

// 60 tokens a minute are one a second; a minute's worth can be used at once.
TEST_CASE("D8: an allowance is used up, owed and comes back at its rate") {
  TokenAllowance allowance;
  CHECK_FALSE(allowance.wait(kStart));
  allowance.use(59, 60, kStart);
  CHECK_FALSE(allowance.wait(kStart));
  allowance.use(1, 60, kStart);
  CHECK(*allowance.wait(kStart) <= 1ms);  // exactly used up: the next moment brings some
  allowance.use(30, 60, kStart);
  CHECK(*allowance.wait(kStart) == 30s + 1ns);
  CHECK(*allowance.wait(kStart + 10s) == 20s + 1ns);
  CHECK_FALSE(allowance.wait(kStart + 30s + 1ns));
  allowance.use(10, 60, kStart + 100s);  // 90 paid off at 90 s: 10 of 60 are used
  CHECK_FALSE(allowance.wait(kStart + 100s));
  allowance.use(50, 60, kStart + 100s);
  CHECK(allowance.wait(kStart + 100s));
}

TEST_CASE("D8: nobody is sent away for longer than ten minutes, and what was never used is not saved up") {
  TokenAllowance allowance;
  allowance.use(UINT32_MAX, 1, kStart);
  CHECK(*allowance.wait(kStart) <= TokenAllowance::kDebtMax + 1ns);
  CHECK(*allowance.wait(kStart) > TokenAllowance::kDebtMax - 1s);
  TokenAllowance fresh;
  fresh.use(60, 60, kStart + 10h);
  CHECK(fresh.wait(kStart + 10h));
}

TEST_CASE("D8: a tenant's live requests end at its limit, which the refusal names") {
  Tenants tenants;
  CHECK(tenants.use({rule("search", 2), rule("batch")}) == std::vector<std::string>{"search", "batch"});
  TenantStanding search = tenants.standing("search");
  CHECK(search.tenant_class == named_class(0));
  CHECK_FALSE(tenants.enter(search, {}, 7, kStart));
  CHECK_FALSE(tenants.enter(search, {}, 7, kStart));
  auto refusal = tenants.enter(search, {}, 7, kStart);
  REQUIRE(refusal);
  CHECK(refusal->limit == TenantLimit::kRequests);
  CHECK(refusal->error.code == ErrorCode::kRateLimited);
  CHECK(refusal->error.retry_after_s == 7);
  CHECK(refusal->error.message.find("\"search\" has 2 requests") != std::string::npos);
  for (int i = 0; i < 5; ++i) CHECK_FALSE(tenants.enter(tenants.standing("batch"), {}, 7, kStart));
  for (int i = 0; i < 5; ++i) CHECK_FALSE(tenants.enter(tenants.standing(""), {}, 7, kStart));
  for (int i = 0; i < 5; ++i) CHECK_FALSE(tenants.enter(tenants.standing(std::string(64, 'a')), {}, 7, kStart));
  tenants.leave(search);
  CHECK_FALSE(tenants.enter(search, {}, 7, kStart));
}

TEST_CASE("D8: tokens by the minute and a priority beyond what is allowed are refused by name") {
  Tenants tenants;
  TenantRule slow = rule("slow", 0, 600);
  slow.priority_max = 3;
  tenants.use({slow});
  TenantStanding standing = tenants.standing("slow");
  Request request;
  request.priority = 4;
  auto refusal = tenants.enter(standing, request, 1, kStart);
  REQUIRE(refusal);
  CHECK(refusal->limit == TenantLimit::kPriority);
  CHECK(refusal->error.code == ErrorCode::kInvalidRequest);
  CHECK(refusal->error.message == "priority is 4; tenant \"slow\" may ask for at most 3");
  request.priority = 3;
  CHECK_FALSE(tenants.enter(standing, request, 1, kStart));
  tenants.charge(standing, 650, kStart);  // 50 more than there were, at 10 a second
  refusal = tenants.enter(standing, request, 1, kStart);
  REQUIRE(refusal);
  CHECK(refusal->limit == TenantLimit::kTokens);
  CHECK(refusal->error.retry_after_s == 6);  // a moment after 5 s, in whole seconds
  CHECK(refusal->error.message.find("600 tokens per minute") != std::string::npos);
  CHECK_FALSE(tenants.enter(standing, request, 1, kStart + 6s));
}

TEST_CASE("D8: a class keeps its name: who goes and comes back has the same one, and names run out") {
  Tenants tenants;
  tenants.use({rule("a"), rule("b")});
  tenants.use({rule("c"), rule("b", 5)});
  CHECK(tenants.standing("a").tenant_class == TenantClass::kOther);
  CHECK(tenants.standing("b").rule->requests_max == 5);
  CHECK(tenants.standing("c").tenant_class == named_class(2));
  CHECK(tenants.has_named("a"));
  CHECK(tenants.use({rule("a")}) == std::vector<std::string>{"a", "b", "c"});
  CHECK(tenants.standing("a").tenant_class == named_class(0));
  std::vector<TenantRule> many;
  for (std::size_t i = 0; i + 3 < kTenantNamesMax; ++i) many.push_back(rule("t" + std::to_string(i)));
  CHECK(tenants.fits(many).ok());
  many.push_back(rule("straw"));
  Status status = tenants.fits(many);
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kConfiguration);
  CHECK(status.error().message.find("\"straw\" needs a restart") != std::string::npos);
}

TEST_CASE("D8: places are never given twice, whoever asks at once and while the rules change") {
  Tenants tenants;
  tenants.use({rule("a", 3, 1'000'000'000)});
  std::atomic<int> most = 0, now = 0, refused = 0;
  std::vector<std::thread> threads;
  threads.reserve(6);
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        TenantStanding standing = tenants.standing("a");
        if (tenants.enter(standing, {}, 1, kStart)) {
          ++refused;
          continue;
        }
        int held = ++now;
        for (int seen = most; seen < held && !most.compare_exchange_weak(seen, held);) {
        }
        tenants.charge(standing, 1, kStart);
        --now;
        tenants.leave(standing);
      }
    });
  }
  for (int i = 0; i < 100; ++i) tenants.use({rule("a", 3, 1'000'000'000)});
  for (std::thread& thread : threads) thread.join();
  INFO("most " << most << ", refused " << refused);
  CHECK(most <= 3);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(tenants.enter(tenants.standing("a"), {}, 1, kStart));
  CHECK(tenants.enter(tenants.standing("a"), {}, 1, kStart));
}

TEST_CASE("D8 D11: books by tenant add up to all of them, and only names of the configuration are shown") {
  Metrics metrics;
  metrics.name_tenants({"search"});
  auto end = [&](TenantClass tenant, Outcome outcome) {
    RequestEnd made;
    made.tenant = tenant;
    made.outcome = outcome;
    metrics.request_ended(made);
  };
  metrics.request_accepted(10, named_class(0));
  metrics.request_accepted(20, named_class(0));
  metrics.request_accepted(5);
  metrics.tokens(3, named_class(0));
  end(named_class(0), Outcome::kFinished);
  end(named_class(0), Outcome::kRejected);
  end(TenantClass::kOther, Outcome::kRejected);
  metrics.tenant_limited_by(named_class(0), TenantLimit::kTokens);
  metrics.tenant_load(named_class(0), 4, 2);

  std::map<std::string, double> shown;
  metrics.collect([&](const MetricFamily& family, const std::vector<MetricSample>& samples) {
    for (const MetricSample& sample : samples) {
      std::string name = family.name();
      for (const auto& [label, value] : sample.labels) name += " " + value;
      if (name.starts_with("llm_tenant_") || name.starts_with("llm_requests_")) shown[name] = sample.value;
    }
  });
  CHECK(shown["llm_tenant_requests_accepted_total search"] == 2);
  CHECK(shown["llm_tenant_requests_accepted_total anonymous"] == 1);
  CHECK(shown["llm_tenant_requests_accepted_total other"] == 0);
  CHECK(shown["llm_requests_accepted_total"] == 3);
  CHECK(shown["llm_tenant_requests_in_progress search"] == 1);
  CHECK(shown["llm_tenant_requests_in_progress anonymous"] == 1);
  CHECK(shown["llm_requests_in_progress"] == 2);
  CHECK(shown["llm_tenant_requests_total search finished"] == 1);
  CHECK(shown["llm_tenant_requests_total search rejected"] == 1);
  CHECK(shown["llm_tenant_requests_total other rejected"] == 1);
  CHECK(shown["llm_requests_total rejected"] == 2);
  CHECK(shown["llm_tenant_tokens_total search prompt"] == 30);
  CHECK(shown["llm_tenant_tokens_total search generated"] == 3);
  CHECK(shown["llm_tenant_limited_total search tokens_per_minute"] == 1);
  CHECK(shown["llm_tenant_queue_requests search"] == 4);
  CHECK(shown["llm_tenant_running_sequences search"] == 2);
  for (const auto& [name, value] : shown) {
    INFO(name);
    bool is_known = name.find("search") != name.npos || name.find("anonymous") != name.npos ||
                    name.find("other") != name.npos || !name.starts_with("llm_tenant_");
    CHECK(is_known);
  }
}
