// What happens to one request at a time, message by message: order, stages, cancels, deadlines, windows, idleness.
#include <caf/send.hpp>
#include <catch2/catch.hpp>
#include <future>

#include "test/actors/actor_bench.hpp"
#include "test/actors/allocation_count.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

std::size_t tokens_out(const ActorBench::Live& live) { return all_of(*live.stream).tokens.size(); }

// Brings a request into a stage and leaves it there. The bench serves one sequence at a time, in small chunks.
struct Staged {
  explicit Staged(Stage stage, std::optional<std::chrono::seconds> timeout = {}) {
    bench.env->limits.sequences_max = 1;
    bench.env->limits.step_tokens_max = 16;
    bench.env->options.window = {BatchWindowOptions::Mode::kFixed, 0, 32, 512, 16};
    bench.env->options.result_cache_bytes = 1U << 20;
    bench.start();
    Request request = bench.request(std::string(160, 'p'), 500);
    if (timeout) request.deadline = bench.now() + *timeout;
    switch (stage) {
      case Stage::kTokenize: {
        // The text worker is busy until the bench is taken down.
        REQUIRE(bench.env->options.text_workers->try_post([this] { worker_waits.get_future().wait(); }, 0));
        request.prompt = std::string("text");
        it = bench.submit(request);
        bench.run();
        break;
      }
      case Stage::kCache: {
        Request leader = request;
        leader.deadline.reset();
        other = bench.submit(leader);
        it = bench.submit(request);
        REQUIRE(bench.run_until([this] { return tokens_out(*other) >= 2; }));
        break;
      }
      case Stage::kQueue: {
        Request busy = bench.request("busy", 900);
        other = bench.submit(busy);
        it = bench.submit(request);
        REQUIRE(bench.run_until([this] { return tokens_out(*other) >= 2; }));
        break;
      }
      case Stage::kPrefill: {  // 10 chunks of 16
        it = bench.submit(request);
        REQUIRE(bench.run_until([this] { return bench.steps() == 3; }));
        break;
      }
      default: {
        it = bench.submit(request);
        REQUIRE(bench.run_until([this] { return tokens_out(it) >= 3; }));
      }
    }
  }
  ~Staged() { worker_waits.set_value(); }

  std::promise<void> worker_waits;
  ActorBench bench;
  ActorBench::Live it;
  std::optional<ActorBench::Live> other;
};

constexpr Stage kStages[] = {Stage::kTokenize, Stage::kCache, Stage::kQueue, Stage::kPrefill, Stage::kDecode};

}  // namespace

TEST_CASE("R086, contract 1: a request gets all its tokens in order and one end") {
  ActorBench bench;
  bench.start();
  auto live = bench.submit(bench.request("hello", 20));
  int ends = 0;
  live.stream->on_change([&] { ends += live.stream->phase() == StreamPhase::kFinished ? 1 : 0; });
  bench.run();
  auto chunk = all_of(*live.stream);
  CHECK(chunk.phase == StreamPhase::kFinished);
  CHECK(chunk.finish == FinishReason::kLength);
  CHECK(tokens_of(chunk) == scripted_answer({}, ids_of("hello"), 20));
  CHECK(chunk.text == text_of(tokens_of(chunk)));
  CHECK(chunk.usage.prompt_tokens == 5);
  CHECK(chunk.usage.completion_tokens == 20);
  CHECK(chunk.system_fingerprint == "scripted-1");
  CHECK(ends == 1);
  CHECK(bench.blocks_in_use() == 0);
  CHECK(bench.env->status.live == 0);
}

TEST_CASE("R085: the next step is on its way before anybody hears of the tokens of the last") {
  ActorBench bench;
  std::vector<std::size_t> tokens_at_step;
  std::shared_ptr<ResponseStream> stream;
  bench.runner.control->on_plan = [&](const StepPlan&) {
    tokens_at_step.push_back(stream ? all_of(*stream).tokens.size() : 0);
  };
  bench.start();
  stream = bench.submit(bench.request("hi", 6)).stream;
  bench.run();
  // When step n begins, the token of step n - 1 has been sampled but only those before it have been delivered.
  CHECK(tokens_at_step == std::vector<std::size_t>{0, 0, 1, 2, 3, 4});
}

TEST_CASE("R085: a request that arrives during a step is in the next one") {
  ActorBench bench;
  std::vector<std::size_t> rows;
  bench.runner.control->on_plan = [&](const StepPlan& plan) { rows.push_back(plan.rows.size()); };
  bench.start();
  auto first = bench.submit(bench.request("aa", 10));
  bench.run_until([&] { return tokens_out(first) == 3; });
  std::size_t steps = rows.size();
  auto second = bench.submit(bench.request("bb", 3));
  bench.run();
  CHECK(std::find(rows.begin() + static_cast<std::ptrdiff_t>(steps), rows.end(), 2) != rows.end());
  CHECK(rows.size() <= 11);  // the second cost no more than one step of its own
}

TEST_CASE("R083: the window is measured once, from the first request that waits") {
  ActorBench bench;
  bench.env->options.window = {BatchWindowOptions::Mode::kFixed, 10, 32, 512, 256};
  bench.start();
  std::vector<ActorBench::Live> live;
  for (int i = 0; i < 3; ++i) {  // one every 4 ms: measured per item they would hold the first for 18 ms
    live.push_back(bench.submit(bench.request(std::string(1, static_cast<char>('a' + i)), 4)));
    bench.run();
    CHECK(bench.steps() == 0);
    if (i < 2) bench.advance(4ms);
  }
  bench.advance(1ms);
  bench.run();
  CHECK(bench.steps() == 0);
  bench.advance(1ms);  // 10 ms since the first
  bench.run();
  CHECK(bench.steps() == 4);
  for (const auto& one : live) CHECK(one.stream->phase() == StreamPhase::kFinished);
  CHECK(bench.env->metrics().batch_closes.value(BatchClose::kWindow) == 1);
}

TEST_CASE("R084, contract 6: an idle service has no message under way and no timer") {
  ActorBench bench;
  bench.env->options.window = {BatchWindowOptions::Mode::kFixed, 1, 32, 512, 256};
  bench.start();
  CHECK_FALSE(bench.coordinator().has_pending_timeout());
  Request with_deadline = bench.request("a", 5);
  with_deadline.deadline = bench.now() + 60s;
  bench.submit(bench.request("b", 5));
  bench.submit(with_deadline);
  bench.run();
  bench.advance(1ms);
  bench.run();
  CHECK(bench.env->status.live == 0);
  bench.advance(60s);  // the one timer of the deadlines fires once more
  bench.run();
  std::uint64_t messages = bench.env->status.batcher_messages;
  std::uint64_t steps = bench.steps();
  CHECK_FALSE(bench.coordinator().has_pending_timeout());
  bench.advance(1h);
  CHECK(bench.run() == 0);
  CHECK(bench.env->status.batcher_messages == messages);
  CHECK(bench.steps() == steps);
}

TEST_CASE("D5: a cancel in any stage ends the stream and frees the blocks within one step") {
  for (Stage stage : kStages) {
    CAPTURE(name_of(stage));
    Staged staged(stage);
    ActorBench& bench = staged.bench;
    if (staged.other) {  // a neighbour's blocks are its own
      staged.it.cancel();
      REQUIRE(bench.run_until([&] { return staged.it.stream->phase() == StreamPhase::kCancelled; }));
      CHECK(tokens_out(*staged.other) < 20);
      bench.run();
      CHECK(staged.other->stream->phase() == StreamPhase::kFinished);
    } else {
      std::uint64_t steps = bench.steps();
      staged.it.cancel();
      bench.run();
      CHECK(staged.it.stream->phase() == StreamPhase::kCancelled);
      CHECK(bench.steps() <= steps + 1);
    }
    CHECK(all_of(*staged.it.stream).error.code == ErrorCode::kCancelled);
    CHECK(bench.blocks_in_use() == 0);
    CHECK(bench.env->status.live == 0);
    CHECK(bench.env->metrics().cancellations.value(CancelReason::kClientGone) == 1);
  }
}

TEST_CASE("a deadline that passes in any stage ends the request and is counted for that stage") {
  for (Stage stage : kStages) {
    CAPTURE(name_of(stage));
    Staged staged(stage, 30s);
    ActorBench& bench = staged.bench;
    CHECK_FALSE(all_of(*staged.it.stream).is_ended());
    bench.advance(30s);
    bench.run();
    auto chunk = all_of(*staged.it.stream);
    CHECK(chunk.phase == StreamPhase::kCancelled);
    CHECK(chunk.error.code == ErrorCode::kDeadlineExceeded);
    CHECK(bench.env->metrics().timeouts.value(stage, DeadlineSource::kClient) == 1);
    CHECK(bench.blocks_in_use() == 0);
    if (staged.other) CHECK(staged.other->stream->phase() == StreamPhase::kFinished);
  }
}

TEST_CASE("a request whose deadline has passed already is not computed") {
  ActorBench bench;
  bench.start();
  Request late = bench.request("a", 5);
  late.deadline = bench.now() - 1s;
  auto live = bench.submit(late);
  bench.advance(0ns);
  bench.run();
  CHECK(all_of(*live.stream).error.code == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("each stage has its own two clock reads, and together they are the request's duration within 1 %") {
  ActorBench bench;
  auto time = std::make_shared<SteadyTime>(1s);
  // Every look at the clock takes 1 us and every message 1 ms, so what lies between two stages is seen but small.
  bench.env->options.clock = [time] { return *time += 1us; };
  bench.env->options.result_cache_bytes = 1U << 20;
  bench.start();
  Request request = bench.request("abc", 8);
  *time += 3ms;  // it is read from the socket
  auto live = bench.submit(request);
  std::optional<SteadyTime> ended;
  live.stream->on_change([&] {
    if (live.stream->phase() == StreamPhase::kFinished && !ended) ended = *time;
  });
  while (bench.coordinator().try_run_once()) *time += 1ms;
  REQUIRE(ended);
  StageTimes stages = all_of(*live.stream).stages;
  std::chrono::nanoseconds whole = *ended - request.arrived;
  std::chrono::nanoseconds sum{};
  for (auto stage : stages.stage) sum += stage;
  auto is_whole = [&](std::chrono::nanoseconds some) {
    return whole - some <= whole / 100 && some - whole <= whole / 100;
  };
  CAPTURE(sum.count(), whole.count());
  CHECK(is_whole(sum));
  CHECK(sum < whole);  // between an end and the next begin the clock was looked at once more
  for (std::size_t i = 0; i < kStageCount; ++i) {
    CAPTURE(name_of(static_cast<Stage>(i)));
    CHECK_FALSE(is_whole(sum - stages.stage[i]));  // no stage is too short to be missed
  }
}

TEST_CASE("R189: what the prefix cache saved is in the usage at the end") {
  ActorBench bench;
  bench.start();
  for (std::uint32_t saved : {0U, 32U}) {  // of 40 tokens two whole blocks of 16
    auto live = bench.submit(bench.request(std::string(40, 'p'), 3));
    bench.run();
    auto chunk = all_of(*live.stream);
    REQUIRE(chunk.phase == StreamPhase::kFinished);
    CHECK(chunk.usage.cached_tokens == saved);
    CHECK_FALSE(chunk.cached);  // computed, not replayed
  }
}

TEST_CASE("contract 7: delivering a token allocates at most 4 times") {
  auto allocations_of = [](int streams) {
    ActorBench bench;
    bench.start();
    std::vector<ActorBench::Live> live;
    live.reserve(static_cast<std::size_t>(streams));
    for (int i = 0; i < streams; ++i) live.push_back(bench.submit(bench.request(std::to_string(i), 200)));
    bench.run_until([&] { return tokens_out(live.back()) == 20; });
    std::uint64_t before = allocations();
    std::uint64_t steps = bench.steps();
    while (bench.steps() < steps + 100) bench.coordinator().run_once();
    return static_cast<double>(allocations() - before) / 100;
  };
  // What one stream more costs in a step, planning and its result included.
  double per_token = (allocations_of(24) - allocations_of(8)) / 16;
  CAPTURE(per_token);
  CHECK(per_token > 0.5);
  CHECK(per_token <= 4.0);
}

TEST_CASE("contract 5: streams that nobody reads delay no step") {
  ActorBench bench;
  bench.start();
  std::vector<ActorBench::Live> live;
  live.reserve(4);
  for (int i = 0; i < 4; ++i) live.push_back(bench.submit(bench.request(std::to_string(i), 50)));
  bench.run();
  CHECK(bench.steps() <= 51);  // one a token, and one in which not all had arrived
  for (const auto& one : live) CHECK(tokens_out(one) == 50);
}
