// D8: whose turn it is among tenants, and what a class of long prompts keeps.
#include <catch2/catch.hpp>
#include <map>

#include "runtime/class_floor.hpp"
#include "runtime/tenant_books.hpp"
#include "test/runtime/scheduler_fixture.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

SequenceRequest of_tenant(RequestId id, std::string tenant, std::size_t prompt, std::uint32_t output) {
  SequenceRequest request = Bench::request(id, prompt, output);
  request.tenant = std::move(tenant);
  return request;
}

BenchLimits one_place() {
  BenchLimits limits;
  limits.sequences_max = 1;
  return limits;
}

}  // namespace

TEST_CASE("D8: the tenant that was served least goes first, however many wait of the other") {
  Bench bench(one_place());
  for (RequestId id = 1; id <= 5; ++id) REQUIRE(bench.enqueue(of_tenant(id, "loud", 20, 2)));
  bench.step();
  REQUIRE(bench.enqueue(of_tenant(9, "quiet", 20, 2)));
  std::vector<RequestId> order;
  for (const SequenceEvent& event : bench.run()) {
    if (event.kind == Kind::kFinished) order.push_back(event.id);
  }
  REQUIRE(order == std::vector<RequestId>{1, 9, 2, 3, 4, 5});
}

TEST_CASE("D8: priority comes before fairness") {
  Bench bench(one_place());
  REQUIRE(bench.enqueue(of_tenant(1, "loud", 20, 2)));
  bench.step();
  REQUIRE(bench.enqueue(of_tenant(2, "quiet", 20, 2)));
  SequenceRequest urgent = of_tenant(3, "loud", 20, 2);
  urgent.priority = 5;
  REQUIRE(bench.enqueue(urgent));
  std::vector<RequestId> order;
  for (const SequenceEvent& event : bench.run()) {
    if (event.kind == Kind::kFinished) order.push_back(event.id);
  }
  REQUIRE(order == std::vector<RequestId>{1, 3, 2});
}

TEST_CASE("D8: two tenants at 1:100 with long prompts get equal service while both have work") {
  BenchLimits limits;
  limits.sequences_max = 4;
  limits.step_tokens_max = 64;
  limits.queue_max = 200;
  Bench bench(limits, 256);
  std::map<std::string, double> served;
  std::map<RequestId, std::string> tenant_of;
  RequestId id = 0;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(bench.enqueue(of_tenant(++id, "loud", 100, 10)));
    tenant_of[id] = "loud";
  }
  int quiet = 0;
  for (int step = 0; step < 400; ++step) {
    while (quiet < 2) {  // enough to use its half of the four places
      REQUIRE(bench.enqueue(of_tenant(++id, "quiet", 100, 10)));
      tenant_of[id] = "quiet", ++quiet;
    }
    auto plan = bench.plan();
    if (!plan) break;
    for (const StepRow& row : plan->rows) served[tenant_of[row.sequence]] += row.tokens.count;
    bench.apply();
    for (const SequenceEvent& event : bench.events) {
      if (event.kind == Kind::kFinished && tenant_of[event.id] == "quiet") --quiet;
    }
  }
  double a = served["loud"], b = served["quiet"];
  double jain = (a + b) * (a + b) / (2 * (a * a + b * b));
  INFO("loud " << a << " quiet " << b << " Jain " << jain);
  CHECK(jain >= 0.95);
}

// A request of the light tenant costs 20 + 1 positions and 2 output tokens: 23. One of the heavy tenant costs 22, which
// counts a third for it: 7.33. So by turns 23 | 7.33 14.67 22 29.33 | 46 | 36.67 44 51.33 | 69 | ...
TEST_CASE(
    "D8: with weights 1:3 three of the heavier tenant's requests go for each of the lighter's, in a known order") {
  Bench bench(one_place());
  auto enqueue = [&](RequestId id, const char* tenant, double weight, std::size_t prompt) {
    SequenceRequest request = of_tenant(id, tenant, prompt, 2);
    request.weight = weight;
    REQUIRE(bench.enqueue(request));
  };
  for (RequestId id = 1; id <= 3; ++id) enqueue(id, "light", 1, 20);
  for (RequestId id = 4; id <= 11; ++id) enqueue(id, "heavy", 3, 19);
  std::vector<RequestId> order;
  for (const SequenceEvent& event : bench.run()) {
    if (event.kind == Kind::kFinished) order.push_back(event.id);
  }
  REQUIRE(order == std::vector<RequestId>{1, 4, 5, 6, 7, 2, 8, 9, 10, 3, 11});
}

TEST_CASE("D8: with weights 1:3 the service tokens of two tenants that always have work are 1:3") {
  BenchLimits limits;
  limits.sequences_max = 4;
  limits.step_tokens_max = 64;
  limits.queue_max = 200;
  Bench bench(limits, 256);
  std::map<std::string, double> served, weights{{"light", 1}, {"heavy", 3}};
  std::map<std::string, int> live;
  std::map<RequestId, std::string> tenant_of;
  RequestId id = 0;
  for (int step = 0; step < 3000; ++step) {
    for (const auto& [tenant, weight] : weights) {
      for (; live[tenant] < 6; ++live[tenant]) {
        SequenceRequest request = of_tenant(++id, tenant, 60, 12);
        request.weight = weight;
        REQUIRE(bench.enqueue(request));
        tenant_of[id] = tenant;
      }
    }
    auto plan = bench.plan();
    REQUIRE(plan);
    for (const StepRow& row : plan->rows) served[tenant_of[row.sequence]] += row.tokens.count;
    bench.apply();
    for (const SequenceEvent& event : bench.events) {
      if (event.kind == Kind::kToken) served[tenant_of[event.id]] += 1;
      if (event.kind == Kind::kFinished) --live[tenant_of[event.id]];
    }
  }
  INFO("light " << served["light"] << " heavy " << served["heavy"]);
  CHECK(served["heavy"] / served["light"] == Approx(3).epsilon(0.02));
}

TEST_CASE("D8: a weight that was changed counts from the tenant's next request on") {
  TenantBooks books;
  Tenant& a = books.enter("a", 1);
  a.serve(10);
  CHECK(a.served == 10);
  books.enter("a", 2);
  a.serve(10);
  CHECK(a.served == 15);
}

TEST_CASE("D8: sequences that wait and run are counted by tenant class, and add up") {
  Bench bench(one_place());
  for (RequestId id = 1; id <= 3; ++id) {
    SequenceRequest request = of_tenant(id, id == 2 ? "b" : "a", 20, 3);
    request.tenant_class = named_class(id == 2 ? 1 : 0);
    REQUIRE(bench.enqueue(request));
  }
  auto load = [&](std::size_t name) { return bench.scheduler.counts().tenants[index_of(named_class(name))]; };
  CHECK(load(0).waiting == 2);
  CHECK(load(1).waiting == 1);
  bench.step();
  CHECK(load(0).running + load(1).running == 1);
  CHECK(load(0).waiting + load(1).waiting == 2);
  bench.lose_executor();  // all of them wait again
  bench.step();
  bench.scheduler.drop(2);
  CHECK(load(1).running + load(1).waiting == 0);
  bench.run();
  for (const TenantLoad& one : bench.scheduler.counts().tenants) CHECK(one.waiting + one.running == 0);
}

TEST_CASE("D8: a tenant that was away does not come back with credit, nor forgets what it had") {
  TenantBooks books;
  Tenant& a = books.enter("a");
  a.served = 100;
  Tenant& b = books.enter("b");
  CHECK(b.served == 100);  // starts level with the least served of those who are here
  b.served = 500;
  books.leave(b);
  CHECK(books.active() == 1);
  CHECK(books.enter("b").served == 500);
}

TEST_CASE("D8: a prefix that was cached and lost with the executor is not charged") {
  BenchLimits limits = one_place();
  limits.step_tokens_max = 16;
  Bench bench(limits);
  REQUIRE(bench.enqueue(of_tenant(1, "a", 80, 2)));
  bench.run();
  SequenceRequest again = of_tenant(2, "a", 80, 2);
  again.prompt = Bench::request(1, 80, 2).prompt;
  REQUIRE(bench.enqueue(again));
  REQUIRE(bench.plan());  // from the prefix cache on
  bench.lose_executor();  // from the beginning, in chunks shorter than what was cached
  REQUIRE(bench.enqueue(of_tenant(3, "b", 300, 2)));
  bench.step();
  REQUIRE(bench.enqueue(of_tenant(4, "b", 20, 2)));
  REQUIRE(bench.enqueue(of_tenant(5, "a", 20, 2)));
  std::vector<RequestId> order;
  for (const SequenceEvent& event : bench.run()) {
    if (event.kind == Kind::kFinished) order.push_back(event.id);
  }
  REQUIRE(order == std::vector<RequestId>{2, 3, 5, 4});
}

TEST_CASE("D8: absent tenants are forgotten beyond a bound") {
  TenantBooks books;
  for (std::size_t i = 0; i < TenantBooks::kAbsentMax; ++i) books.leave(books.enter("t" + std::to_string(i)));
  books.find("t0");
  CHECK(books.find("t0") != nullptr);
  books.enter("one more");
  CHECK(books.find("t0") == nullptr);
  CHECK(books.active() == 1);
}

TEST_CASE("R081: a tenant that fills the queue does not shut the others out") {
  BenchLimits limits;
  limits.queue_max = 8;
  Bench bench(limits);
  RequestId id = 0;
  for (int i = 0; i < 8; ++i) REQUIRE(bench.enqueue(of_tenant(++id, "loud", 10, 2)));
  CHECK(bench.enqueue(of_tenant(++id, "loud", 10, 2)).error().code == ErrorCode::kQueueFull);
  for (int i = 0; i < 4; ++i) REQUIRE(bench.enqueue(of_tenant(++id, "quiet", 10, 2)));  // its half
  CHECK(bench.enqueue(of_tenant(++id, "quiet", 10, 2)).error().code == ErrorCode::kQueueFull);
}

TEST_CASE("a class that fell behind has its turn once its tenth is worth a row, and saves nothing up") {
  ClassFloor floor;
  std::array<bool, kPromptClasses> has_work{true, false, true, false};
  for (int i = 0; i < 3; ++i) floor.booked({200, 0, 0, 0}, has_work);
  CHECK(floor.starved() == -1);  // 60 positions
  floor.booked({200, 0, 0, 0}, has_work);
  CHECK(floor.starved() == 2);
  CHECK(floor.credit(2) == Approx(80));
  for (int i = 0; i < 1000; ++i) floor.booked({200, 0, 0, 0}, has_work);
  CHECK(floor.credit(2) == 512);
  floor.booked({0, 0, 600, 0}, has_work);
  CHECK(floor.starved() == -1);
}

TEST_CASE("a long prompt that everybody overtakes still advances") {
  BenchLimits limits;
  limits.step_tokens_max = 100;
  limits.sequences_max = 200;
  limits.queue_max = 1000;
  Bench bench(limits, 1024);
  SequenceRequest huge = Bench::request(1, 600, 2);
  huge.due = bench.now + std::chrono::hours(1);
  REQUIRE(bench.enqueue(huge));
  bench.step();
  RequestId id = 1;
  bool is_done = false;
  for (int step = 0; step < 200 && !is_done; ++step) {
    for (int i = 0; i < 3; ++i) {  // always more short ones than a step holds, all due earlier
      SequenceRequest quick = Bench::request(++id, 90, 1);
      quick.due = bench.now + std::chrono::seconds(1);
      (void)bench.enqueue(quick);
    }
    bench.step();
    for (const SequenceEvent& event : bench.events) is_done |= event.id == 1 && event.kind == Kind::kFinished;
  }
  CHECK(is_done);
}
