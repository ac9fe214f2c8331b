// D8: named tenants in a running service: limits, books, weights and names for the operator.
#include <catch2/catch.hpp>
#include <future>

#include "test/actors/service_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

Request request_of(std::string tenant, std::uint32_t max_tokens = 20) {
  Request request = request_for(ids_of("go on"), max_tokens);
  request.tenant = std::move(tenant);
  return request;
}

TenantRule rule(std::string name) {
  TenantRule made;
  made.name = std::move(name);
  return made;
}

double shown(const Metrics& metrics, const std::string& family, const std::string& tenant) {
  for (const MetricSample& sample : metrics.find(family)->samples()) {
    if (sample.labels.front().second == tenant) return sample.value;
  }
  return -1;
}

Result<std::uint32_t> cancel(ActorService& service, const std::string& tenant) {
  auto answer = std::make_shared<std::promise<Result<std::uint32_t>>>();
  auto future = answer->get_future();
  service.cancel_tenant(tenant, [answer](Result<std::uint32_t> count) { answer->set_value(std::move(count)); });
  REQUIRE(future.wait_for(kLimit) == std::future_status::ready);
  return future.get();
}

}  // namespace

TEST_CASE("D8: requests beyond a tenant's limit are refused and counted, others' are not, and an end makes room") {
  ServiceBench bench;
  TenantRule limited = rule("search");
  limited.requests_max = 2;
  bench.options.tenants = {limited, rule("batch")};
  bench.runner.control->fault_at(2, ScriptedFault::kStall);
  ActorService& service = bench.start();
  const Metrics& metrics = *bench.options.metrics;
  std::vector<std::shared_ptr<ResponseStream>> served;
  for (const char* tenant : {"search", "search", "batch", "batch", "batch"}) {
    served.push_back(service.submit(request_of(tenant)));
  }
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  auto refused = wait_for_end(*service.submit(request_of("search")));
  CHECK(refused.error.code == ErrorCode::kRateLimited);
  CHECK(refused.error.retry_after_s >= 1);
  CHECK(refused.error.message.find("requests_max") != std::string::npos);
  CHECK(eventually([&] {
    return shown(metrics, "llm_tenant_queue_requests", "batch") +
               shown(metrics, "llm_tenant_running_sequences", "batch") ==
           3;
  }));
  bench.runner.control->release();
  for (const auto& stream : served) CHECK(wait_for_end(*stream).phase == StreamPhase::kFinished);
  CHECK(eventually([&] { return service.live_requests() == 0; }));
  CHECK(wait_for_end(*service.submit(request_of("search"))).phase == StreamPhase::kFinished);

  REQUIRE(eventually([&] { return metrics.books().in_progress() == 0; }));
  AllBooks books = metrics.all_books();
  const RequestBooks& search = books.by_tenant[index_of(named_class(0))];
  CHECK(search.accepted == 3);
  CHECK(search.ended[static_cast<std::size_t>(Outcome::kFinished)] == 3);
  CHECK(search.ended[static_cast<std::size_t>(Outcome::kRejected)] == 1);
  CHECK(books.by_tenant[index_of(named_class(1))].accepted == 3);
  CHECK(books.all.accepted == 6);
  CHECK(shown(metrics, "llm_tenant_limited_total", "search") == 1);
  CHECK(shown(metrics, "llm_tenant_tokens_total", "search") == 15);  // prompts of 5; output comes after it
}

TEST_CASE("D8: what a tenant generates is taken from its tokens per minute, stored answers too") {
  ServiceBench bench;
  ManualClock clock;
  TenantRule metered = rule("metered");
  metered.tokens_per_minute = 60;
  bench.options.tenants = {metered};
  bench.options.clock = clock.clock();
  bench.options.result_cache_bytes = 1 << 20;
  ActorService& service = bench.start();
  auto ask = [&] {
    Request request = request_of("metered", 20);
    request.arrived = clock.now();
    auto end = wait_for_end(*service.submit(std::move(request)));
    REQUIRE(eventually([&] { return service.live_requests() == 0; }));
    return end;
  };
  CHECK_FALSE(ask().cached);
  CHECK(ask().cached);                           // 25 each
  CHECK(ask().phase == StreamPhase::kFinished);  // 75 of 60
  auto refused = ask();
  CHECK(refused.error.code == ErrorCode::kRateLimited);
  CHECK(refused.error.retry_after_s == 16);  // 15 at one a second, and a moment
  clock.advance(15s);
  CHECK(ask().error.code == ErrorCode::kRateLimited);
  clock.advance(1s);
  CHECK(ask().phase == StreamPhase::kFinished);
}

TEST_CASE("D8 D13: new rules hold for what comes next, and more names than there are classes are refused") {
  ServiceBench bench;
  TenantRule one = rule("one");
  bench.options.tenants = {one};
  bench.runner.control->fault_at(2, ScriptedFault::kStall);
  ActorService& service = bench.start();
  auto first = service.submit(request_of("one"));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  one.requests_max = 1;
  ServiceTuning tuning{0, 10s, {one, rule("two")}};
  REQUIRE(service.can_retune(tuning).ok());
  service.retune(tuning);
  CHECK(wait_for_end(*service.submit(request_of("one"))).error.code == ErrorCode::kRateLimited);
  CHECK(shown(*bench.options.metrics, "llm_tenant_queue_requests", "two") == 0);
  bench.runner.control->release();
  CHECK(wait_for_end(*first).phase == StreamPhase::kFinished);
  CHECK(eventually([&] { return service.live_requests() == 0; }));
  CHECK(wait_for_end(*service.submit(request_of("one"))).phase == StreamPhase::kFinished);
  for (std::size_t i = 0; i < kTenantNamesMax - 1; ++i) tuning.tenants.push_back(rule("t" + std::to_string(i)));
  CHECK(service.can_retune(tuning).error().message.find("restart") != std::string::npos);
}

TEST_CASE("D8 R005: an operator cancels a tenant by its name, and a name nobody has is an error") {
  ServiceBench bench;
  bench.options.tenants = {rule("search"), rule("search-2")};
  bench.runner.control->fault_at(2, ScriptedFault::kStall);
  ActorService& service = bench.start();
  auto theirs = service.submit(request_of("search", 400));
  auto others = service.submit(request_of("search-2"));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  auto count = cancel(service, "search");
  REQUIRE(count.ok());
  CHECK(*count == 1);
  CHECK(wait_for_end(*theirs).error.code == ErrorCode::kShed);
  CHECK(cancel(service, "serach").error().message.find("\"serach\"") != std::string::npos);
  bench.runner.control->release();
  CHECK(wait_for_end(*others).phase == StreamPhase::kFinished);
}
