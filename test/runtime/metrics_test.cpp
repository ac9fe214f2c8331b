#include "runtime/metrics.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

// A clock that stands still until it is moved; far from 0, as the real one is.
struct StillClock {
  std::shared_ptr<SteadyTime> now = std::make_shared<SteadyTime>(100'000s);
  Clock clock() const {
    return [at = now] { return *at; };
  }
};

double value_of(const Metrics& metrics, const char* name) {
  const MetricFamily* family = metrics.find(name);
  REQUIRE(family != nullptr);
  REQUIRE(family->samples().size() == 1);
  return family->samples().front().value;
}

}  // namespace

TEST_CASE("metrics have distinct names, sorted, with counters and only counters ending in _total") {
  Metrics metrics;
  std::vector<std::string> names;
  metrics.collect([&](const MetricFamily& family, const auto&) {
    names.emplace_back(family.name());
    bool total = names.back().size() > 6 && names.back().substr(names.back().size() - 6) == "_total";
    INFO(names.back());
    CHECK(total == (family.type() == MetricType::kCounter));
  });
  CHECK(std::is_sorted(names.begin(), names.end()));
  CHECK(std::adjacent_find(names.begin(), names.end()) == names.end());
}

TEST_CASE("R213-R216: the names dashboards ask for are there") {
  Metrics metrics;
  std::map<std::string, MetricType> asked = {{"llm_request_duration_seconds", MetricType::kHistogram},
                                             {"llm_gpu_utilization_percent", MetricType::kGauge},
                                             {"llm_requests_total", MetricType::kCounter},
                                             {"llm_tokens_generated_total", MetricType::kCounter},
                                             {"requests_per_second", MetricType::kGauge}};
  for (const auto& [name, type] : asked) {
    INFO(name);
    REQUIRE(metrics.find(name) != nullptr);
    CHECK(metrics.find(name)->type() == type);
  }
}

TEST_CASE("R012: bucket bounds ascend and contain vLLM's") {
  const std::vector<double> first_token = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
                                           1,     2.5,   5,    7.5,  10,   20,   40,   80,  160,  640, 2560};
  const std::vector<double> inter_token = {0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5,
                                           0.75, 1,     2.5,  5,     7.5, 10,   20,  40,  80};
  const std::vector<double> duration = {0.3, 0.5, 0.8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                        30,  40,  50,  60, 120, 240, 480, 960, 1920, 7680};
  auto check = [](std::span<const double> ours, const std::vector<double>& theirs) {
    CHECK(std::is_sorted(ours.begin(), ours.end()));
    CHECK(std::adjacent_find(ours.begin(), ours.end()) == ours.end());
    for (double bound : theirs) {
      INFO(bound);
      CHECK(std::binary_search(ours.begin(), ours.end(), bound));
    }
  };
  check(bucket_bounds::kFirstToken, first_token);
  check(bucket_bounds::kInterToken, inter_token);
  check(bucket_bounds::kDuration, duration);
  check(bucket_bounds::kStep, {});
  check(bucket_bounds::kTokens, {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384});
  check(bucket_bounds::kSequences, {});
}

TEST_CASE("R011: the metrics of requests reconcile, request by request") {
  Metrics metrics;
  auto received = [&](int n) {
    for (int i = 0; i < n; ++i) metrics.request_received();
  };
  auto ended = [&](Outcome outcome, std::chrono::milliseconds duration) {
    RequestEnd end;
    end.outcome = outcome;
    end.duration = duration;
    end.stages[Stage::kDecode] = duration;
    end.cancel = CancelReason::kClientAsked;
    if (outcome == Outcome::kRejected || outcome == Outcome::kAbandoned) end.last_stage = Stage::kQueue;
    metrics.request_ended(end);
  };
  received(10);
  for (int i = 0; i < 7; ++i) metrics.request_accepted(5);
  ended(Outcome::kFinished, 100ms);
  ended(Outcome::kFinished, 200ms);
  ended(Outcome::kFailed, 300ms);
  ended(Outcome::kCancelled, 400ms);
  ended(Outcome::kRejected, 1ms);
  ended(Outcome::kAbandoned, 2ms);

  CHECK(metrics.requests_received.value() == 10);
  CHECK(metrics.requests_accepted.value() == 7);
  CHECK(metrics.books().in_progress() == 3);  // 7 - 2 finished - 1 failed - 1 cancelled
  CHECK(value_of(metrics, "llm_requests_in_progress") == 3);
  CHECK(metrics.requests.total() == 6);
  CHECK(metrics.prompt_tokens.value() == 35);
  CHECK(metrics.finishes.total() == 2);
  CHECK(metrics.cancellations.value(CancelReason::kClientAsked) == 2);
  for (Outcome outcome :
       {Outcome::kFinished, Outcome::kFailed, Outcome::kCancelled, Outcome::kRejected, Outcome::kAbandoned}) {
    CHECK(metrics.request_duration.series(outcome).count() == metrics.requests.value(outcome));
  }
  CHECK(metrics.request_duration.series(Outcome::kFinished).sum() == Approx(0.3));
  CHECK(metrics.request_stage.series(Stage::kQueue).count() == 6);
  CHECK(metrics.request_stage.series(Stage::kDecode).count() == 4);
  CHECK(metrics.request_stage.series(Stage::kDecode).sum() == Approx(1.0));
}

TEST_CASE("R216: tokens are counted as they come, and the rate follows") {
  StillClock still;
  Metrics metrics(still.clock());
  CHECK(value_of(metrics, "tokens_per_second") == 0.0);
  for (int second = 0; second < 20; ++second) {
    for (int i = 0; i < 30; ++i) metrics.tokens(1);
    *still.now += 1s;
  }
  CHECK(metrics.tokens_generated.value() == 600);
  CHECK(value_of(metrics, "tokens_per_second") == Approx(30.0));
  *still.now += 5s;
  CHECK(value_of(metrics, "tokens_per_second") == Approx(15.0));
  *still.now += 3600s;
  CHECK(value_of(metrics, "tokens_per_second") == 0.0);
}

TEST_CASE("R013: requests_per_second is what was served, requests_offered_per_second what came") {
  StillClock still;
  Metrics metrics(still.clock());
  for (int i = 0; i < 50; ++i) metrics.request_received();
  for (int i = 0; i < 20; ++i) metrics.request_ended({});
  RequestEnd rejected;
  rejected.outcome = Outcome::kRejected;
  for (int i = 0; i < 30; ++i) metrics.request_ended(rejected);
  *still.now += 1s;
  CHECK(value_of(metrics, "requests_per_second") == Approx(2.0));
  CHECK(value_of(metrics, "requests_offered_per_second") == Approx(5.0));
}

TEST_CASE("R012: online quantiles are within 1 % of the exact ones and forget after a minute") {
  StillClock still;
  Metrics metrics(still.clock());
  CHECK(metrics.find("llm_time_to_first_token_quantile_seconds")->samples().empty());
  std::mt19937_64 random(20240607);
  std::lognormal_distribution<double> latency(-2.5, 1.0);
  std::vector<double> exact;
  for (int i = 0; i < 20'000; ++i) {
    auto time = std::chrono::nanoseconds(static_cast<std::int64_t>(latency(random) * 1e9));
    exact.push_back(std::chrono::duration<double>(time).count());
    metrics.first_token(time);
    if (i % 1000 == 0) *still.now += 2s;
  }
  std::sort(exact.begin(), exact.end());
  auto samples = metrics.find("llm_time_to_first_token_quantile_seconds")->samples();
  REQUIRE(samples.size() == 4);
  for (const MetricSample& sample : samples) {
    REQUIRE(sample.labels.front().first == "quantile");
    double q = std::stod(sample.labels.front().second);
    auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(exact.size())));
    CHECK(sample.value == Approx(exact[rank - 1]).epsilon(0.01));
  }
  *still.now += 70s;
  CHECK(metrics.find("llm_time_to_first_token_quantile_seconds")->samples().empty());
}

TEST_CASE("a quantile sketch takes what no clock measures: nothing, negative, endless, not a number") {
  QuantileSketch sketch;
  SteadyTime now{1000s};
  for (double odd : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    sketch.observe(odd, now);
  }
  REQUIRE(sketch.quantile(0.5, now));
  CHECK(*sketch.quantile(0.5, now) == QuantileSketch::kSmallest);
  CHECK(*sketch.quantile(1.0, now) > 10'000.0);
}

TEST_CASE("a value on a bound of a histogram belongs below it") {
  static constexpr double kBounds[] = {1.0, 2.0};
  Histogram histogram(kBounds);
  for (double value : {0.5, 1.0, 1.5, 2.0, 2.5}) histogram.observe(value);
  CHECK(histogram.cumulative() == std::vector<std::uint64_t>{2, 4, 5});
  CHECK(histogram.count() == 5);
  CHECK(histogram.sum() == 7.5);
}

TEST_CASE("R016: GPU utilisation is absent, not 0, until a GPU says something") {
  Metrics metrics;
  CHECK(metrics.gpu_utilization.samples().empty());
  metrics.gpu_utilization.set(GpuIndex{1}, 42.0);
  auto samples = metrics.gpu_utilization.samples();
  REQUIRE(samples.size() == 1);
  CHECK(samples.front().labels == std::vector<std::pair<std::string, std::string>>{{"gpu", "1"}});
  CHECK(samples.front().value == 42.0);
}

TEST_CASE("R020: errors carry code, fault and protocol, and only those that happened are shown") {
  Metrics metrics;
  CHECK(metrics.errors.samples().empty());
  metrics.error_sent(ErrorCode::kInvalidRequest, Protocol::kHttp);
  metrics.error_sent(ErrorCode::kQueueFull, Protocol::kWebSocket);
  auto samples = metrics.errors.samples();
  REQUIRE(samples.size() == 2);
  using Labels = std::vector<std::pair<std::string, std::string>>;
  CHECK(samples[0].labels == Labels{{"code", "invalid_request"}, {"fault", "client"}, {"protocol", "http"}});
  CHECK(samples[1].labels == Labels{{"code", "queue_full"}, {"fault", "server"}, {"protocol", "websocket"}});
}

TEST_CASE("an HTTP status or close code nobody knows is counted as other") {
  Metrics metrics;
  metrics.http_answered(HttpRoute::kChatCompletions, 200);
  metrics.http_answered(HttpRoute::kOther, 999);
  metrics.http_answered(HttpRoute::kOther, -1);
  CHECK(metrics.http_requests.value(HttpRoute::kChatCompletions, HttpStatus::k200) == 1);
  CHECK(metrics.http_requests.value(HttpRoute::kOther, HttpStatus::kOther) == 2);
  CHECK(ws_close(1009) == WsClose::k1009);
  CHECK(ws_close(1011) == WsClose::kOther);
}

TEST_CASE("D11: whenever the metrics are collected, accepted = finished + failed + cancelled + in progress") {
  Metrics metrics;
  std::atomic<bool> ended = false;
  std::thread load([&] {
    for (int i = 0; i < 20'000; ++i) {
      metrics.request_accepted(1);
      RequestEnd end;
      end.outcome = i % 3 == 0 ? Outcome::kFinished : i % 3 == 1 ? Outcome::kFailed : Outcome::kCancelled;
      if (i % 100 != 0) metrics.request_ended(end);
    }
    ended = true;
  });
  int wrong = 0;
  double most = 0.0;
  do {
    double accepted = 0.0, in_progress = 0.0, all_ended = 0.0;
    metrics.collect([&](const MetricFamily& family, const std::vector<MetricSample>& samples) {
      std::string name = family.name();
      if (name == "llm_requests_accepted_total") accepted = samples.front().value;
      if (name == "llm_requests_in_progress") in_progress = samples.front().value;
      if (name != "llm_requests_total") return;
      for (int i = 0; i < 3; ++i) all_ended += samples[static_cast<std::size_t>(i)].value;
    });
    // Sequences that are accepted between two reads count as in progress: how many depends on the threads.
    if (accepted != all_ended + in_progress || in_progress < 0) ++wrong;
    most = std::max(most, accepted);
  } while (!ended);
  load.join();
  CHECK(wrong == 0);
  CHECK(most > 0);
  CHECK(metrics.books().in_progress() == 200);
}

TEST_CASE("R022: the age of the oldest waiting sequence grows until nobody waits") {
  StillClock still;
  Metrics metrics(still.clock());
  CHECK(metrics.oldest_waiting_seconds() == 0.0);
  metrics.oldest_waiting(*still.now);
  *still.now += 1500ms;
  CHECK(value_of(metrics, "llm_queue_oldest_seconds") == Approx(1.5));
  metrics.oldest_waiting(std::nullopt);
  CHECK(metrics.oldest_waiting_seconds() == 0.0);
}

TEST_CASE("R015: batch efficiency is the share of computed positions that were of use") {
  Metrics metrics;
  CHECK(metrics.batch_efficiency.samples().empty());
  metrics.step_tokens.observe(60.0);
  metrics.step_tokens.observe(40.0);
  metrics.discarded_tokens.add(5);
  metrics.recomputed_tokens.add(20);
  CHECK(value_of(metrics, "llm_batch_efficiency") == Approx(0.75));
}

TEST_CASE("the process says what it costs") {
  Metrics metrics;
  CHECK(value_of(metrics, "process_cpu_seconds_total") > 0.0);
  CHECK(value_of(metrics, "process_resident_memory_bytes") > 1e6);
  CHECK(value_of(metrics, "process_open_fds") >= 3.0);
  auto now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  CHECK(value_of(metrics, "process_start_time_seconds") <= now + 2.0);
  CHECK(value_of(metrics, "process_start_time_seconds") > now - 3600.0);
}

TEST_CASE("no observation is lost when threads observe and collect at once") {
  Metrics metrics;
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        metrics.request_received();
        metrics.request_accepted(1);
        metrics.tokens(1);
        metrics.first_token(1ms);
        metrics.request_ended({});
      }
    });
  }
  bool always_series = true;
  for (int i = 0; i < 20; ++i) {
    std::size_t series = 0;
    metrics.collect([&](const MetricFamily&, const auto& samples) { series += samples.size(); });
    always_series = always_series && series > 50;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(always_series);
  CHECK(metrics.books().in_progress() == 0);
  CHECK(metrics.requests.value(Outcome::kFinished) == kThreads * kEach);
  CHECK(metrics.tokens_generated.value() == kThreads * kEach);
  CHECK(metrics.time_to_first_token.series().count() == kThreads * kEach);
  CHECK(metrics.time_to_first_token.series().sum() == Approx(kThreads * kEach * 0.001));
}
