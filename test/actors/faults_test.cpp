// Contract 1 and 8 under fire: random requests, cancels and deaths, with real threads and with a child process.
#include <catch2/catch.hpp>
#include <random>

#include "test/actors/service_bench.hpp"
#include "test/doubles/piped_runner.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

struct Planned {
  std::vector<TokenId> prompt;
  std::uint32_t max_tokens = 1;
  std::optional<std::size_t> cancel_after;  // tokens
  std::shared_ptr<ResponseStream> stream;
};

std::vector<Planned> plan_requests(std::mt19937& random, int count) {
  auto up_to = [&](unsigned n) { return static_cast<unsigned>(random()) % n; };
  std::vector<Planned> requests;
  for (int i = 0; i < count; ++i) {
    Planned request;
    request.prompt = ids_of(std::to_string(up_to(4)) + std::string(up_to(50), static_cast<char>('A' + up_to(3))));
    request.max_tokens = 1 + up_to(40);
    if (up_to(3) == 0) request.cancel_after = up_to(request.max_tokens);
    requests.push_back(std::move(request));
  }
  return requests;
}

void submit(ActorService& service, Planned& request) {
  request.stream = service.submit(request_for(request.prompt, request.max_tokens));
  if (!request.cancel_after) return;
  // From inside the stream's own wake: as early as it can be.
  ResponseStream* stream = request.stream.get();
  std::size_t after = *request.cancel_after;
  stream->on_change([stream, after] {
    if (all_of(*stream).tokens.size() >= after) stream->cancel(CancelReason::kClientAsked);
  });
  if (after == 0) stream->cancel(CancelReason::kClientAsked);
}

// Waits for the end of each; its tokens must be a beginning of the true answer, and all of it when it finished.
void check_ends(std::vector<Planned>& requests, int& finished, int& failed) {
  for (Planned& request : requests) {
    request.stream->on_change({});
    if (request.cancel_after && all_of(*request.stream).tokens.size() >= *request.cancel_after) {
      request.stream->cancel(CancelReason::kClientAsked);
    }
    auto chunk = wait_for_end(*request.stream);
    auto expected = scripted_answer({}, request.prompt, request.max_tokens);
    auto tokens = tokens_of(chunk);
    REQUIRE(tokens.size() <= expected.size());
    CHECK(std::equal(tokens.begin(), tokens.end(), expected.begin()));
    CHECK(chunk.text == text_of(tokens));
    if (chunk.phase == StreamPhase::kFinished) CHECK(tokens == expected);
    if (chunk.phase == StreamPhase::kCancelled) CHECK(request.cancel_after);
    finished += chunk.phase == StreamPhase::kFinished ? 1 : 0;
    failed += chunk.phase == StreamPhase::kFailed ? 1 : 0;
  }
}

void check_books(const ActorService& service, const Metrics& metrics, std::uint64_t requests) {
  CHECK(eventually([&] { return service.live_requests() == 0; }));
  CHECK(metrics.requests_received.value() == requests);
  CHECK(metrics.requests.total() == requests);
  CHECK(metrics.books().in_progress() == 0);
  CHECK(eventually([&] { return metrics.kv_blocks.value(KvState::kReferenced) == 0; }));
}

}  // namespace

TEST_CASE("R086, R088, contract 1: under random cancels and executor deaths every request ends once and exactly") {
  auto depth = static_cast<std::uint32_t>(GENERATE(1, 2));
  auto seed = GENERATE(11U, 12U, 13U);
  CAPTURE(depth, seed);
  std::mt19937 random(seed);
  ScriptedOptions options;
  options.info.steps_in_flight = depth;
  options.info.blocks_total = 40;  // tight: sequences are preempted
  options.info.rows_max = 8;
  options.info.tokens_max = 48;
  ServiceBench bench(options);
  bench.options.deaths_max = 1000;
  bench.runner.control->fault_every(25, seed % 2 == 0 ? ScriptedFault::kError : ScriptedFault::kThrow);
  ActorService& service = bench.start();
  auto requests = plan_requests(random, 60);
  for (Planned& request : requests) submit(service, request);
  int finished = 0;
  int failed = 0;
  check_ends(requests, finished, failed);
  CHECK(finished > 0);
  CHECK(bench.runner.control->runners() > 1);
  check_books(service, *bench.options.metrics, requests.size());
}

TEST_CASE("D2, contract 1: the same with runners in child processes that die") {
  auto depth = static_cast<std::uint32_t>(GENERATE(1, 2));
  CAPTURE(depth);
  std::mt19937 random(depth);
  PipedOptions piped;
  piped.info.steps_in_flight = depth;
  auto children = std::make_shared<std::atomic<std::uint64_t>>(0);
  ActorServiceOptions options = bench_options([piped, children]() -> std::unique_ptr<StepRunner> {
    PipedOptions child = piped;
    if (std::uint64_t n = ++*children; n <= 2) {  // the first two die at their 10th and 15th step
      child.fault = ScriptedFault::kExit;
      child.fault_step = 5 + 5 * n;
    }
    return std::make_unique<PipedRunner>(child);
  });
  options.deaths_max = 1000;
  auto service = ActorService::create(options);
  REQUIRE(service.ok());
  auto requests = plan_requests(random, 40);
  for (Planned& request : requests) submit(**service, request);
  int finished = 0;
  int failed = 0;
  check_ends(requests, finished, failed);
  CHECK(finished > 10);
  CHECK(failed == 0);  // two deaths are within every request's retries
  CHECK(*children == 3);
  check_books(**service, *options.metrics, requests.size());
}

TEST_CASE("R082: 8 streams survive the death of the runner's process, token by token") {
  std::uint64_t dies_at = GENERATE(1U, 7U);
  auto children = std::make_shared<std::atomic<std::uint64_t>>(0);
  ActorServiceOptions options = bench_options([children, dies_at]() -> std::unique_ptr<StepRunner> {
    PipedOptions child;
    child.info.steps_in_flight = 2;
    if (++*children == 1) child.fault = ScriptedFault::kExit, child.fault_step = dies_at;
    return std::make_unique<PipedRunner>(child);
  });
  auto service = ActorService::create(options);
  REQUIRE(service.ok());
  std::vector<std::shared_ptr<ResponseStream>> streams;
  for (int i = 0; i < 8; ++i) streams.push_back((*service)->submit(request_for(ids_of("p" + std::to_string(i)), 30)));
  for (int i = 0; i < 8; ++i) {
    auto chunk = wait_for_end(*streams[static_cast<std::size_t>(i)]);
    CHECK(chunk.phase == StreamPhase::kFinished);
    CHECK(tokens_of(chunk) == scripted_answer({}, ids_of("p" + std::to_string(i)), 30));
  }
  CHECK(*children == 2);
}
