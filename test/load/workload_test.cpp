#include <catch2/catch.hpp>

#include "load/workload.hpp"

using namespace troupe;

namespace {
Workload::Options options() {
  Workload::Options options;
  options.prompt_tokens = *LengthDistribution::parse(LengthDistribution::Of::kPrompt, "uniform:5,50");
  options.output_tokens = *LengthDistribution::parse(LengthDistribution::Of::kOutput, "uniform:1,9");
  return options;
}
}  // namespace

TEST_CASE("a request is a function of seed and index, a retry asks the same again") {
  Workload workload(options());
  PlannedRequest planned = workload.plan(17);
  ClientRequest first = workload.request(planned, 3);
  ClientRequest again = workload.request(Workload(options()).plan(17), 5);
  CHECK(first.prompt == again.prompt);
  CHECK(first.max_tokens == again.max_tokens);
  CHECK(first.slot == 3);
  CHECK(first.user.empty());
  CHECK(first.api_key.empty());
  CHECK(planned.prompt_tokens >= 5);
  CHECK(planned.prompt_tokens <= 50);
}

TEST_CASE("tenants share equally, by name or by key") {
  Workload::Options with = options();
  with.tenants = {*parse_tenant("alice"), *parse_tenant("bob=sk-1")};
  Workload workload(with);
  int alices = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    ClientRequest request = workload.request(workload.plan(i), 0);
    CHECK((request.user == "alice") != (request.api_key == "sk-1"));
    alices += request.user == "alice" ? 1 : 0;
  }
  CHECK(alices == Approx(5'000).margin(250));  // 5 standard deviations
  for (const char* text : {"", "=k", "a=", "a b", "a=b\r\nX: y"}) CHECK(!parse_tenant(text).ok());
}

TEST_CASE("a trace says lengths and tenants, and keys are found by name") {
  Trace trace;
  trace.tenants = {"", "bob"};
  trace.rows = {{0.0, 7, 8, 1}, {1.0, 9, 10, 0}};
  Workload::Options with = options();
  with.tenants = {*parse_tenant("bob=sk-1")};
  Workload workload(with, &trace);
  ClientRequest first = workload.request(workload.plan(0), 0);
  CHECK(first.max_tokens == 8);
  CHECK(first.api_key == "sk-1");
  CHECK(workload.request(workload.plan(1), 0).api_key.empty());
}
