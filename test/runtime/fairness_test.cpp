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
