// R005: the operator's verbs on a running service, and the access log's records, with real threads.
#include <catch2/catch.hpp>
#include <future>
#include <mutex>

#include "test/actors/service_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

const std::string kTenant(64, 'a');

template <class T>
Result<T> answer_of(const std::function<void(AdminService::Done<T>)>& ask) {
  auto answer = std::make_shared<std::promise<Result<T>>>();
  auto future = answer->get_future();
  ask([answer](Result<T> result) { answer->set_value(std::move(result)); });
  REQUIRE(future.wait_for(kLimit) == std::future_status::ready);
  return future.get();
}

ServiceState state_of(ActorService& service) {
  auto state = answer_of<ServiceState>([&](auto done) { service.state(std::move(done)); });
  REQUIRE(state.ok());
  return *state;
}

Request request_of(std::string tenant, std::int32_t priority, std::uint32_t max_tokens = 400) {
  Request request = request_for(ids_of("go on"), max_tokens);
  request.tenant = std::move(tenant);
  request.priority = priority;
  request.external_id = "r" + std::to_string(priority);
  request.route = "/v1/completions";
  return request;
}

struct Records final : AccessLog {
  void ended(AccessRecord record) override {
    std::lock_guard lock(mutex);
    records.push_back(std::move(record));
  }
  std::size_t count() {
    std::lock_guard lock(mutex);
    return records.size();
  }
  std::mutex mutex;
  std::vector<AccessRecord> records;
};

}  // namespace

TEST_CASE("R005: draining refuses new requests, lets running ones go on, is seen in readiness and can be undone") {
  ServiceBench bench;
  bench.runner.control->fault_at(2, ScriptedFault::kStall);
  ActorService& service = bench.start();
  auto running = service.submit(request_of("", 0, 20));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  service.set_draining(true);
  CHECK(service.readiness().state == Readiness::State::kDraining);
  CHECK(service.readiness().message.find("operator") != std::string::npos);
  auto refused = wait_for_end(*service.submit(request_of("", 0)));
  CHECK(refused.error.code == ErrorCode::kShuttingDown);
  CHECK(refused.error.retry_after_s >= 1);
  CHECK(state_of(service).is_draining);
  bench.runner.control->release();
  CHECK(wait_for_end(*running).phase == StreamPhase::kFinished);

  service.set_draining(false);
  CHECK(service.readiness().state == Readiness::State::kReady);
  CHECK(wait_for_end(*service.submit(request_of("", 0, 5))).phase == StreamPhase::kFinished);
}

TEST_CASE("R005: shed cancels what waits and what runs below a priority, and nothing else") {
  ServiceBench bench;
  bench.options.limits.sequences_max = 2;
  bench.runner.control->fault_at(2, ScriptedFault::kStall);
  ActorService& service = bench.start();
  std::vector<std::shared_ptr<ResponseStream>> low, high;
  for (std::int32_t i = 0; i < 3; ++i) low.push_back(service.submit(request_of("", -1 - i)));
  for (std::int32_t i = 0; i < 3; ++i) high.push_back(service.submit(request_of("", 5 + i, 20)));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  REQUIRE(eventually([&] { return state_of(service).requests.size() == 6; }));
  auto count = answer_of<std::uint32_t>([&](auto done) { service.shed(5, std::move(done)); });
  REQUIRE(count.ok());
  CHECK(*count == 3);
  for (const auto& stream : low) {
    auto end = wait_for_end(*stream);
    CHECK(end.phase == StreamPhase::kCancelled);
    CHECK(end.error.code == ErrorCode::kShed);
  }
  bench.runner.control->release();
  for (const auto& stream : high) CHECK(wait_for_end(*stream).phase == StreamPhase::kFinished);
  CHECK(bench.options.metrics->cancellations.value(CancelReason::kShed) == 3);
  CHECK(eventually([&] { return bench.options.metrics->running_sequences.value() == 0; }));
  CHECK(bench.options.metrics->kv_blocks.value(KvState::kReferenced) == 0);
}

TEST_CASE("R005: cancel_tenant ends the requests of one tenant, by the digest or its first digits") {
  ServiceBench bench;
  bench.runner.control->fault_at(2, ScriptedFault::kStall);
  ActorService& service = bench.start();
  auto theirs = service.submit(request_of(kTenant, 0));
  auto others = service.submit(request_of(std::string(64, 'b'), 0, 20));
  auto nobodys = service.submit(request_of("", 0, 20));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  REQUIRE(eventually([&] { return state_of(service).requests.size() == 3; }));
  auto cancelled = [&](const std::string& tenant) {
    auto count = answer_of<std::uint32_t>([&](auto done) { service.cancel_tenant(tenant, std::move(done)); });
    REQUIRE(count.ok());
    return *count;
  };
  CHECK(cancelled(std::string(8, 'c')) == 0);
  CHECK(cancelled(kTenant.substr(0, 12)) == 1);
  CHECK(wait_for_end(*theirs).error.code == ErrorCode::kShed);
  CHECK(cancelled("anonymous") == 1);
  CHECK(wait_for_end(*nobodys).phase == StreamPhase::kCancelled);
  bench.runner.control->release();
  CHECK(wait_for_end(*others).phase == StreamPhase::kFinished);
}

TEST_CASE("R005: the clamp cuts later requests to length, and their answers are stored apart") {
  ServiceBench bench;
  bench.options.result_cache_bytes = 1 << 20;
  ActorService& service = bench.start();
  auto answer = [&](std::uint32_t max_tokens) {
    Request request = request_of("", 0, max_tokens);
    request.cache = CachePolicy::kUse;
    request.stop.min_tokens = std::min(8U, max_tokens);
    return wait_for_end(*service.submit(request));
  };
  CHECK(answer(30).tokens.size() == 30);
  service.clamp(7);
  auto clamped = answer(30);
  CHECK(clamped.tokens.size() == 7);
  CHECK(clamped.finish == FinishReason::kLength);
  CHECK(answer(0).tokens.size() == 7);  // "as many as the context allows"
  CHECK(answer(3).tokens.size() == 3);
  CHECK(*state_of(service).max_tokens == 7);
  service.clamp(std::nullopt);
  CHECK(answer(30).tokens.size() == 30);
  CHECK_FALSE(state_of(service).max_tokens);
}

TEST_CASE("R005: caches can be switched off and on again, and not on when the configuration has none") {
  ServiceBench bench;
  bench.options.result_cache_bytes = 1 << 20;
  ActorService& service = bench.start();
  Metrics& metrics = *bench.options.metrics;
  auto ask = [&](bool cached) {
    Request request = request_for(ids_of(std::string(64, 'p')), 5);
    request.cache = CachePolicy::kUse;
    auto end = wait_for_end(*service.submit(request));
    CHECK(end.cached == cached);
    return end.usage.cached_tokens;
  };
  ask(false);
  ask(true);
  REQUIRE(service.switch_caches({false, true}).ok());
  CHECK(ask(false) > 0);  // the prefix is still found
  REQUIRE(service.switch_caches({false, false}).ok());
  REQUIRE(eventually([&] { return metrics.kv_blocks.value(KvState::kCached) == 0; }));
  CHECK(ask(false) == 0);
  CHECK(ask(false) == 0);
  CHECK(metrics.kv_blocks.value(KvState::kCached) == 0);
  REQUIRE(service.switch_caches({true, true}).ok());
  ask(true);  // what was stored before
  CHECK(state_of(service).caches.prefix_cache);

  ServiceBench without;
  without.options.prefix_cache = false;
  ActorService& plain = without.start();
  CHECK(plain.switch_caches({true, false}).error().message.find("cache.enabled") != std::string::npos);
  CHECK(plain.switch_caches({false, true}).error().message.find("kv.prefix_cache") != std::string::npos);
  CHECK(plain.switch_caches({false, false}).ok());
}

TEST_CASE("R005: the state says what lives, how far it is and for whom, without its text") {
  ServiceBench bench;
  bench.runner.control->fault_at(4, ScriptedFault::kStall);
  ActorService& service = bench.start();
  auto first = service.submit(request_of(kTenant, 3));
  REQUIRE(bench.runner.control->wait_for_stall(kLimit));
  REQUIRE(eventually([&] {
    auto state = state_of(service);
    return state.requests.size() == 1 && state.requests[0].stage == Stage::kDecode;
  }));
  ServiceState state = state_of(service);
  CHECK(state.requests_live == 1);
  CHECK(state.batchers == 1);
  CHECK(state.executors == 1);
  CHECK(state.steps_started >= 3);
  const LiveRequestState& shown = state.requests.front();
  CHECK(shown.id == first->id());
  CHECK(shown.request_id == "r3");
  CHECK(shown.tenant == kTenant.substr(0, 12));
  CHECK(shown.route == "/v1/completions");
  CHECK(shown.priority == 3);
  CHECK(shown.prompt_tokens == 5);
  CHECK(shown.completion_tokens >= 1);
  CHECK(shown.age > 0ns);
  bench.runner.control->release();
  wait_for_end(*first);
  CHECK(eventually([&] { return state_of(service).requests.empty(); }));
}

TEST_CASE("R005: trim drops cached blocks and stored answers, says so, and what runs is untouched") {
  ServiceBench bench;
  bench.options.result_cache_bytes = 1 << 20;
  ActorService& service = bench.start();
  Request request = request_for(ids_of(std::string(64, 'p')), 5);
  request.cache = CachePolicy::kUse;
  auto before = wait_for_end(*service.submit(request));
  REQUIRE(eventually([&] { return bench.options.metrics->result_cache_bytes.value() > 0; }));
  auto report = answer_of<TrimReport>([&](auto done) { service.trim(std::move(done)); });
  REQUIRE(report.ok());
  CHECK(report->kv_blocks_dropped >= 4);
  CHECK(report->result_bytes_dropped > 0);
  CHECK(report->resident_bytes_before > 0);
  CHECK(report->resident_bytes_after > 0);
  CHECK(bench.options.metrics->kv_blocks.value(KvState::kCached) == 0);
  CHECK(bench.options.metrics->result_cache_bytes.value() == 0);
  auto after = wait_for_end(*service.submit(request));
  CHECK_FALSE(after.cached);
  CHECK(after.text == before.text);
}

TEST_CASE("R005: whoever asks while the service ends is answered") {
  ServiceBench bench;
  ActorService& service = bench.start();
  auto answer = std::make_shared<std::promise<Result<ServiceState>>>();
  auto future = answer->get_future();
  std::thread asking(
      [&] { service.state([answer](Result<ServiceState> state) { answer->set_value(std::move(state)); }); });
  asking.join();
  bench.service.reset();
  CHECK(future.wait_for(kLimit) == std::future_status::ready);
}

TEST_CASE("D13: the result cache can be resized, switched off and on while requests run") {
  ServiceBench bench;
  ActorService& service = bench.start();  // without one
  auto is_cached = [&] {
    Request request = request_for(ids_of("hello"), 20);
    request.cache = CachePolicy::kUse;
    return wait_for_end(*service.submit(request)).cached;
  };
  CHECK_FALSE(is_cached());
  CHECK_FALSE(is_cached());
  service.retune({1 << 20, 10s, {}});
  CHECK_FALSE(is_cached());
  REQUIRE(eventually([&] { return bench.options.metrics->result_cache_bytes.value() > 0; }));
  CHECK(is_cached());
  service.retune({0, 10s, {}});
  CHECK(eventually([&] { return bench.options.metrics->result_cache_bytes.value() == 0; }));
  CHECK_FALSE(is_cached());
}

TEST_CASE("D11: every sequence leaves one record whose stages add up to its time") {
  ServiceBench bench;
  auto log = std::make_shared<Records>();
  bench.options.access_log = log;
  bench.options.requests_max = 8;
  ActorService& service = bench.start();
  std::vector<std::shared_ptr<ResponseStream>> streams;
  streams.push_back(service.submit(request_of(kTenant, 1, 20)));
  streams.push_back(service.submit(request_for(std::string(1024, 'x'), 1)));  // does not fit
  streams.push_back(service.submit(request_of("", 2, 300)));
  streams.back()->cancel(CancelReason::kClientGone);
  for (const auto& stream : streams) wait_for_end(*stream);
  REQUIRE(eventually([&] { return log->count() == 3; }));
  std::lock_guard lock(log->mutex);
  bool saw_finished = false;
  for (const AccessRecord& record : log->records) {
    std::chrono::nanoseconds sum{};
    for (auto stage : record.stages.stage) sum += stage;
    INFO(record.outcome << " " << record.reason);
    CHECK(std::abs((sum - record.total).count()) * 100 <= record.total.count());
    if (record.request_id != "r1") continue;
    saw_finished = true;
    CHECK(std::string(record.outcome) == "finished");
    CHECK(std::string(record.reason) == "length");
    CHECK(record.tenant == kTenant.substr(0, 12));
    CHECK(record.usage.prompt_tokens == 5);
    CHECK(record.usage.completion_tokens == 20);
    REQUIRE(record.first_token);
    CHECK(*record.first_token <= record.total);
  }
  CHECK(saw_finished);
}
