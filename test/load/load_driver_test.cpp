// The driver against scripted servers in virtual time: every number can be checked by hand.
#include <catch2/catch.hpp>

#include "test/load/scripted_client.hpp"

using namespace troupe;
using namespace troupe::test;

namespace {

// 10 ms to the first text, then one every 5 ms: three of them.
ScriptedAnswer quick() { return {{0.010, 0.015, 0.020}, 0.021}; }

ScriptedAnswer refusal(std::optional<double> retry_after_s) {
  return {{}, 0.002, {ClientEnding::kRefused, 429, "queue_full", false, 0, 0, retry_after_s}};
}

LoadPlan open_loop(double rate, double duration_s, ArrivalProcess process = ArrivalProcess::kUniform) {
  LoadPlan plan;
  plan.arrivals.emplace(process, 1.0, RateProfile::constant(rate), 1);
  plan.duration_s = duration_s;
  return plan;
}

LoadPlan closed_loop(std::uint32_t users, double duration_s) {
  LoadPlan plan;
  plan.concurrency = users;
  plan.duration_s = duration_s;
  return plan;
}

Workload::Options fixed_lengths() {
  Workload::Options options;
  options.prompt_tokens = *LengthDistribution::parse(LengthDistribution::Of::kPrompt, "fixed:10");
  options.output_tokens = *LengthDistribution::parse(LengthDistribution::Of::kOutput, "fixed:3");
  return options;
}

struct Run {
  Run(LoadPlan plan, ScriptedClient::Script script, ServiceLevel level = {}, double late_s = 0.0)
      : workload(fixed_lengths(), plan.trace),
        run(level, workload.tenant_names()),
        client(std::move(script)),
        driver(std::move(plan), workload, client, run, ScriptedClient::at(0.0)) {
    lateness = late_s;
  }
  double play() { return client.play(driver, lateness); }

  Workload workload;
  RunStatistics run;
  ScriptedClient client;
  LoadDriver driver;
  double lateness = 0.0;
};

// Answers nothing while it stalls, everything at its end.
ScriptedClient::Script stalls(double from_s, double to_s) {
  return [=](double now_s, const ClientRequest&) {
    ScriptedAnswer answer = quick();
    double wait_s = now_s >= from_s && now_s < to_s ? to_s - now_s : 0.0;
    for (double& text : answer.texts) text += wait_s;
    answer.end += wait_s;
    return answer;
  };
}

}  // namespace

TEST_CASE("R196 a stall of the server is charged to everybody who would have asked meanwhile") {
  Run open(open_loop(100.0, 10.0), stalls(3.995, 5.0));
  open.play();
  // 999 requests at 0.01, 0.02, ... 9.99 s; 100 of them in the stall wait 1.00, 0.99, ... 0.01 s more than 0.01 s.
  CHECK(open.run.requests == 999);
  CHECK(open.run.served == 999);
  CHECK(*open.run.first_token.quantile(0.5) == Approx(0.010).epsilon(0.01));
  CHECK(*open.run.first_token.quantile(0.95) == Approx(0.51).epsilon(0.03));  // rank 950: the 51st slowest
  CHECK(*open.run.first_token.quantile(0.99) == Approx(0.91).epsilon(0.03));
  CHECK(open.run.first_token.max() == Approx(1.01));
  const auto& slices = open.run.timeline.slices();
  CHECK(*slices[8].first_token.quantile(0.99) == Approx(1.01).epsilon(0.02));  // 4.0 to 4.5 s
  CHECK(*slices[10].first_token.quantile(0.99) == Approx(0.010).epsilon(0.01));

  // The same server asked by one user in a closed loop: a single request notices, p99 knows nothing.
  Run closed(closed_loop(1, 10.0), stalls(3.995, 5.0));
  closed.play();
  CHECK(*closed.run.first_token.quantile(0.99) == Approx(0.010).epsilon(0.01));
}

TEST_CASE("R196 the generator's own lateness is charged and reported") {
  Run run(
      open_loop(10.0, 5.0), [](double, const ClientRequest&) { return quick(); }, {}, 0.030);
  run.play();
  CHECK(run.run.lateness.count() == run.run.requests);
  CHECK(*run.run.lateness.quantile(0.5) == Approx(0.030).epsilon(0.01));
  CHECK(*run.run.first_token.quantile(0.5) == Approx(0.040).epsilon(0.01));
}

TEST_CASE("an open loop does not wait for answers, a closed one does") {
  auto slow = [](double, const ClientRequest&) { return ScriptedAnswer{{1.0}, 1.95}; };
  Run open(open_loop(10.0, 5.0), slow);
  open.play();
  CHECK(open.client.sent.size() == 49);
  CHECK(open.client.in_flight_most == 20);
  CHECK(open.client.sent[30].at_s == Approx(3.1));

  LoadPlan plan = closed_loop(4, 9.5);
  plan.think_s = 0.5;
  Run closed(plan, slow);
  closed.play();
  CHECK(closed.client.in_flight_most == 4);
  CHECK(closed.client.sent.size() == 16);  // each user at 0, 2.45, 4.9 and 7.35 s, before the end at 9.5 s
  CHECK(closed.client.sent[4].at_s == Approx(2.45));
  CHECK(closed.run.end_to_end.mean() == Approx(1.95));  // thinking is not latency
}

TEST_CASE("latencies, tokens and gaps are those of the script") {
  Run run(open_loop(10.0, 10.0), [](double, const ClientRequest&) { return quick(); });
  run.play();
  CHECK(run.run.served == 99);
  CHECK(run.run.output_tokens == 99 * 3);
  CHECK(run.run.prompt_tokens == 99 * 10);
  CHECK(run.run.inter_token.count() == 99 * 2);
  CHECK(*run.run.inter_token.quantile(0.5) == Approx(0.005).epsilon(0.01));
  CHECK(run.run.per_output_token.mean() == Approx(0.005));
  CHECK(run.run.end_to_end.mean() == Approx(0.021));
  CHECK(run.run.without_usage == 0);
}

TEST_CASE("an answer without usage counts its events") {
  ScriptedAnswer silent = quick();
  silent.how.has_usage = false;
  silent.how.prompt_tokens = silent.how.output_tokens = 0;
  Run run(open_loop(1.0, 5.0), [&](double, const ClientRequest&) { return silent; });
  run.play();
  CHECK(run.run.output_tokens == 4 * 3);
  CHECK(run.run.prompt_tokens == 4 * 10);  // the length they were built for
  CHECK(run.run.without_usage == 4);
}

TEST_CASE("R203 the warm-up is sent and not measured, phases have their own throughput") {
  LoadPlan plan = open_loop(10.0, 10.0);
  plan.warmup_s = 5.0;
  Run run(plan, [](double now_s, const ClientRequest&) {
    return now_s < 5.0 - 1e-6 ? ScriptedAnswer{{1.0, 1.5, 2.0}, 2.0} : ScriptedAnswer{{0.5}, 1.0};
  });
  double end_s = run.play();
  CHECK(run.client.sent.size() == 149);
  CHECK(run.run.requests == 100);  // at 5.0, 5.1, ... 14.9
  CHECK(run.run.end_to_end.max() == Approx(1.0));
  CHECK(run.run.phases[0].seconds == Approx(5.0));
  CHECK(run.run.phases[0].sent == 49);
  CHECK(run.run.phases[0].served == 29);  // sent up to 3.0 s: the last ends at 4.9
  CHECK(run.run.phases[1].seconds == Approx(10.0));
  CHECK(run.run.phases[1].sent == 100);
  CHECK(run.run.phases[2].seconds == Approx(0.9).margin(0.01));
  CHECK(end_s == Approx(15.9).margin(0.01));
  CHECK(run.run.phases[0].served + run.run.phases[1].served + run.run.phases[2].served == 149);
  CHECK(run.run.measured_s() == Approx(10.9).margin(0.01));
}

TEST_CASE("users of a closed loop start evenly within the warm-up") {
  LoadPlan plan = closed_loop(4, 10.0);
  plan.warmup_s = 8.0;
  plan.think_s = 100.0;
  Run run(plan, [](double, const ClientRequest&) { return quick(); });
  run.play();
  REQUIRE(run.client.sent.size() == 4);
  CHECK(run.client.sent[1].at_s == Approx(2.0));
  CHECK(run.client.sent[3].at_s == Approx(6.0));
}

TEST_CASE("a number of requests ends either loop") {
  for (LoadPlan plan : {open_loop(10.0, 0.0, ArrivalProcess::kPoisson), closed_loop(3, 0.0)}) {
    plan.requests = 20;
    Run run(plan, [](double, const ClientRequest&) { return quick(); });
    double end_s = run.play();
    CHECK(run.run.requests == 20);
    CHECK(run.run.served == 20);
    CHECK(end_s < 10.0);
  }
}

TEST_CASE("a trace is played at its times, with its lengths and tenants") {
  Trace trace;
  trace.tenants = {"", "a"};
  trace.rows = {{0.5, 7, 8, 1}, {0.5, 9, 10, 0}, {3.25, 1, 2, 1}};
  LoadPlan plan;
  plan.trace = &trace;
  Run run(plan, [](double, const ClientRequest&) { return quick(); });
  run.play();
  REQUIRE(run.client.sent.size() == 3);
  CHECK(run.client.sent[0].at_s == Approx(0.5));
  CHECK(run.client.sent[0].request.user == "a");
  CHECK(run.client.sent[0].request.max_tokens == 8);
  CHECK(run.client.sent[1].at_s == Approx(0.5));
  CHECK(run.client.sent[2].at_s == Approx(3.25));
  CHECK(run.run.tenants[1].served == 2);
}

TEST_CASE("R194 what is not 200 is no success, and is counted by status and code") {
  int count = 0;
  Run run(open_loop(10.0, 1.0), [&](double, const ClientRequest&) {
    switch (count++ % 3) {
      case 0:
        return refusal(std::nullopt);
      case 1:
        return ScriptedAnswer{{}, 0.001, {ClientEnding::kHttpError, 500, "internal_error", false, 0, 0, {}}};
      default:
        return quick();
    }
  });
  run.play();
  CHECK(run.run.requests == 9);
  CHECK(run.run.served == 3);
  CHECK(run.run.refused == 3);
  CHECK(run.run.failed == 3);
  CHECK(run.run.phases[1].failed + run.run.phases[2].failed == 6);
  CHECK(run.run.end_to_end.count() == 3);  // quick failures do not make latencies look good
  CHECK(run.run.errors == std::map<std::string, std::uint64_t>{{"429 queue_full", 3}, {"500 internal_error", 3}});
  CHECK(run.run.refusal.count() == 3);
  CHECK(*run.run.refusal.quantile(0.5) == Approx(0.002).epsilon(0.01));
}

TEST_CASE("Retry-After is obeyed, and the wait is part of the latency") {
  LoadPlan plan = open_loop(1.0, 3.0);
  plan.retries = 2;
  std::map<std::string, int> seen;
  std::string first;
  Run run(plan, [&](double, const ClientRequest& request) {
    // The request at 1 s succeeds at its second attempt, the one at 2 s never does.
    if (first.empty()) first = request.prompt;
    return ++seen[request.prompt] == 2 && request.prompt == first ? quick() : refusal(5.0);
  });
  run.play();
  REQUIRE(run.client.sent.size() == 5);
  CHECK(run.client.sent[2].at_s == Approx(1.0 + 0.002 + 5.0));
  CHECK(run.client.sent[2].request.prompt == run.client.sent[0].request.prompt);
  CHECK(run.run.requests == 2);
  CHECK(run.run.served == 1);
  CHECK(run.run.refused == 1);
  CHECK(run.run.first_retries == 2);
  CHECK(run.run.first_retries_served == 1);
  CHECK(run.run.refusal.count() == 4);
  CHECK(run.run.end_to_end.max() == Approx(5.002 + 0.021));
  CHECK(run.run.first_token.max() == Approx(5.002 + 0.010));
}

TEST_CASE("without --retry a refusal is final, and a refused user pauses before the next request") {
  Run run(closed_loop(1, 1.0), [](double, const ClientRequest&) { return refusal(60.0); });
  run.play();
  CHECK(run.run.refused == 10);  // every 102 ms
  CHECK(run.run.first_retries == 0);
}

TEST_CASE("goodput: TTFT with an allowance per prompt token, 99 % of the gaps or their mean") {
  ServiceLevel level;
  level.first_token_s = 0.005;
  level.per_prompt_token_s = 0.001;  // 10 tokens: 15 ms allowed
  level.inter_token_s = 0.004;
  int count = 0;
  Run run(
      open_loop(10.0, 0.45),
      [&](double, const ClientRequest&) -> ScriptedAnswer {
        switch (count++) {
          case 0:
            return {{0.0149, 0.018, 0.021}, 0.03};  // good
          case 1:
            return {{0.0151, 0.018, 0.021}, 0.03};  // the first token is late
          case 2:
            return {{0.010, 0.011, 0.016}, 0.03};  // gaps of 1 and 5 ms: the mean is within, 99 % are not
          default:
            return refusal(std::nullopt);
        }
      },
      level);
  run.play();
  CHECK(run.run.requests == 4);
  CHECK(run.run.good == 1);
  CHECK(run.run.good_on_average == 2);
  CHECK(run.run.good_output_tokens == 3);
}

TEST_CASE("R197 slots are used again, and an open loop has a bound on what is in flight") {
  Run reuse(open_loop(10.0, 10.0), [](double, const ClientRequest&) { return quick(); });
  reuse.play();
  for (const auto& sent : reuse.client.sent) CHECK(sent.request.slot == 0);

  LoadPlan plan = open_loop(10.0, 1.0);
  plan.in_flight_max = 3;
  Run bounded(plan, [](double, const ClientRequest&) { return ScriptedAnswer{{0.5}, 60.0}; });
  bounded.play();
  CHECK(bounded.client.sent.size() == 3);
  CHECK(bounded.run.requests == 9);
  CHECK(bounded.run.failed == 6);
  CHECK(bounded.run.errors.at("not sent: too many requests are in flight") == 6);
}

TEST_CASE("what does not end within the drain is cancelled and counted as unfinished") {
  LoadPlan plan = open_loop(10.0, 1.0);
  plan.drain_s = 2.0;
  Run run(plan, [](double, const ClientRequest&) { return ScriptedAnswer{{0.5}, 60.0}; });
  CHECK(run.play() == Approx(3.0).margin(0.01));
  CHECK(run.run.unfinished == 9);
  CHECK(run.run.served == 0);
  CHECK(run.run.failed == 0);
}

TEST_CASE("a stop ends the run early, retries that wait are final") {
  LoadPlan plan = open_loop(10.0, 100.0);
  plan.retries = 5;
  int count = 0;
  Run run(plan, [&](double, const ClientRequest&) {
    return count++ % 2 == 0 ? refusal(50.0) : ScriptedAnswer{{0.5}, 60.0};
  });
  run.client.on_step = [&, done = false](double now_s) mutable {
    if (now_s < 2.0 || done) return;
    done = true;
    run.driver.stop(ScriptedClient::at(now_s));
  };
  CHECK(run.play() == Approx(2.0).margin(0.01));
  CHECK(run.run.requests == run.run.unfinished + run.run.refused);
  CHECK(run.run.unfinished > 5);
  CHECK(run.run.refused > 5);
}

TEST_CASE("a server that went away ends the run") {
  Run run(open_loop(100.0, 1'000.0), [](double now_s, const ClientRequest&) -> ScriptedAnswer {
    if (now_s < 10.005) return quick();
    return {{}, 0.001, {ClientEnding::kConnect, 0, "Connection refused", false, 0, 0, {}}};
  });
  CHECK(run.play() == Approx(15.0).margin(0.1));
  CHECK(run.driver.is_server_gone());
  CHECK(run.run.served == 1'000);
  CHECK(run.run.errors.at("cannot connect: Connection refused") == run.run.failed);
}

TEST_CASE("kinds of errors are bounded") {
  int count = 0;
  Run run(open_loop(100.0, 10.0), [&](double, const ClientRequest&) -> ScriptedAnswer {
    return {{}, 0.001, {ClientEnding::kHttpError, 500, std::to_string(count++), false, 0, 0, {}}};
  });
  run.play();
  CHECK(run.run.errors.size() == RunStatistics::kErrorKindsMax + 1);
  CHECK(run.run.errors.at("other") == run.run.failed - RunStatistics::kErrorKindsMax);
}

TEST_CASE("a burst beyond what one tick sends is sent all the same") {
  Trace trace;
  trace.tenants = {""};
  trace.rows.assign(1'000, {1.0, 5, 5, 0});
  LoadPlan plan;
  plan.trace = &trace;
  Run run(plan, [](double, const ClientRequest&) { return quick(); });
  run.play();
  CHECK(run.run.served == 1'000);
  CHECK(run.run.lateness.max() < 0.05);
}
