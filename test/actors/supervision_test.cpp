// Who is started anew, who hears of it, and when it is given up: message by message.
#include <caf/actor_cast.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

#include <future>
#include <thread>

#include "actors/text_jobs.hpp"
#include "test/actors/actor_bench.hpp"

using namespace troupe;
using namespace troupe::test;
using namespace std::chrono_literals;

namespace {

// Fails the first of two steps in flight and answers the second all the same, as a device with a queue may.
class GapRunner final : public StepRunner {
 public:
  explicit GapRunner(ScriptedOptions options) : inner_(std::move(options)) {}
  const RunnerInfo& info() const override { return inner_.info(); }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override {
    held_.emplace_back(inner_.compute(*plan), std::move(done));
    if (held_.size() < 2) return;
    held_[0].second(Error{ErrorCode::kInternal, "lost", "", 0});
    held_[1].second(held_[1].first);
  }

 private:
  ScriptedRunner inner_;
  std::vector<std::pair<Result<StepResult>, Done>> held_;
};

// Takes its fifth plan and is never heard of again.
class HangingRunner final : public StepRunner {
 public:
  explicit HangingRunner(ScriptedOptions options) : inner_(std::move(options)) {}
  const RunnerInfo& info() const override { return inner_.info(); }
  void submit(std::shared_ptr<const StepPlan> plan, Done done) override {
    if (++steps_ < 5) inner_.submit(std::move(plan), std::move(done));
  }

 private:
  ScriptedRunner inner_;
  int steps_ = 0;
};

std::vector<ActorBench::Live> submit_eight(ActorBench& bench, std::uint32_t max_tokens) {
  std::vector<ActorBench::Live> live;
  live.reserve(8);
  for (int i = 0; i < 8; ++i) live.push_back(bench.submit(bench.request("prompt " + std::to_string(i), max_tokens)));
  return live;
}

void check_exact(const std::vector<ActorBench::Live>& live, std::uint32_t max_tokens) {
  for (std::size_t i = 0; i < live.size(); ++i) {
    auto chunk = all_of(*live[i].stream);
    CHECK(chunk.phase == StreamPhase::kFinished);
    CHECK(tokens_of(chunk) == scripted_answer({}, ids_of("prompt " + std::to_string(i)), max_tokens));
    CHECK(chunk.text == text_of(tokens_of(chunk)));
    CHECK(chunk.usage.completion_tokens == max_tokens);
  }
}

}  // namespace

TEST_CASE("R082, D2, contract 8: 8 streams survive an executor that is killed at any step, token by token") {
  auto kill_at = static_cast<std::uint64_t>(GENERATE(1, 2, 5, 17, 29));
  auto fault = GENERATE(ScriptedFault::kThrow, ScriptedFault::kError, ScriptedFault::kShort, ScriptedFault::kBadToken);
  auto depth = static_cast<std::uint32_t>(GENERATE(1, 2));
  CAPTURE(kill_at, static_cast<int>(fault), depth);
  ScriptedOptions options;
  options.info.steps_in_flight = depth;
  ActorBench bench(options);
  bench.runner.control->fault_at(kill_at, fault);
  bench.start();
  auto live = submit_eight(bench, 30);
  bench.run();
  check_exact(live, 30);
  CHECK(bench.runner.control->runners() == 2);
  CHECK(bench.env->metrics().executor_restarts.value() == 1);
  CHECK(bench.blocks_in_use() == 0);
}

TEST_CASE("a result that comes after the error of the step before it is not believed") {
  ScriptedOptions options;
  options.info.steps_in_flight = 2;
  ActorBench bench(options);
  auto runners = std::make_shared<int>(0);
  bench.env->options.new_runner = [options, runners]() -> std::unique_ptr<StepRunner> {
    if (++*runners == 1) return std::make_unique<GapRunner>(options);
    return std::make_unique<ScriptedRunner>(options);
  };
  bench.start();
  auto live = submit_eight(bench, 10);
  bench.run();
  check_exact(live, 10);
  CHECK(*runners == 2);
}

TEST_CASE("D12: an executor that hangs is named, then replaced, and its 8 streams go on, token by token") {
  ScriptedOptions options;
  ActorBench bench(options);
  auto runners = std::make_shared<int>(0);
  bench.env->options.new_runner = [options, runners]() -> std::unique_ptr<StepRunner> {
    if (++*runners == 1) return std::make_unique<HangingRunner>(options);
    return std::make_unique<ScriptedRunner>(options);
  };
  bench.start();
  auto live = submit_eight(bench, 30);
  bench.run();
  CHECK(all_of(*live[0].stream).tokens.size() < 30);
  bench.advance(11s);
  bench.run();
  auto stuck = bench.env->progress.stuck(bench.now(), 10s);
  REQUIRE(stuck);
  CHECK(stuck->stage == ProgressStage::kExecutor);
  CHECK(*runners == 1);  // a long step is no hang
  for (int i = 0; i < 4; ++i) bench.advance(10s), bench.run();
  CHECK(*runners == 2);
  check_exact(live, 30);
  CHECK(bench.env->metrics().executor_restarts.value() == 1);
  CHECK_FALSE(bench.coordinator().has_pending_timeout());
}

TEST_CASE("D12: a cache that hangs is named, then replaced, and the streams go on") {
  ScriptedOptions options;
  ActorBench bench(options);
  bench.env->options.result_cache_bytes = 1U << 20;
  auto runners = std::make_shared<int>(0);
  bench.env->options.new_runner = [options, runners]() -> std::unique_ptr<StepRunner> {  // so that requests stay
    if (++*runners == 1) return std::make_unique<HangingRunner>(options);
    return std::make_unique<ScriptedRunner>(options);
  };
  bench.start();
  caf::actor first = bench.wiring().cache;
  WorkMark unanswered(bench.env, ProgressStage::kCache);  // what a hanging cache looks like from outside
  auto live = submit_eight(bench, 30);
  bench.run();
  bench.advance(11s);
  bench.run();
  REQUIRE(bench.env->progress.stuck(bench.now(), 10s));
  CHECK(bench.env->progress.stuck(bench.now(), 10s)->stage == ProgressStage::kCache);
  for (int i = 0; i < 3; ++i) bench.advance(10s), bench.run();
  CHECK(bench.wiring().cache != first);
  for (int i = 0; i < 3; ++i) bench.advance(10s), bench.run();  // now the executor
  check_exact(live, 30);
  CHECK_FALSE(bench.env->progress.stuck(bench.now() + 1h, 10s));
}

TEST_CASE("D12: a text worker that hangs is named, then another one comes") {
  ActorBench bench;
  bench.start();
  std::promise<void> held, release;
  REQUIRE(post_text_job(bench.env, 0, [&] { held.set_value(), release.get_future().wait(); }));
  held.get_future().wait();
  auto waits = bench.request("", 5);
  waits.prompt = std::string("hello");
  auto live = bench.submit(std::move(waits));
  bench.run();
  bench.advance(11s);
  bench.run();
  REQUIRE(bench.env->progress.stuck(bench.now(), 10s));
  CHECK(bench.env->progress.stuck(bench.now(), 10s)->stage == ProgressStage::kText);
  CHECK(live.stream->phase() == StreamPhase::kPending);
  for (int i = 0; i < 4; ++i) bench.advance(10s), bench.run();
  auto limit = std::chrono::steady_clock::now() + 20s;  // the new thread is a real one
  while (live.stream->phase() < StreamPhase::kFinished && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(1ms);
    bench.run();
  }
  CHECK(live.stream->phase() == StreamPhase::kFinished);
  release.set_value();
}

TEST_CASE("D2: 8 streams survive a batcher that is killed twice, token by token") {
  ActorBench bench;
  bench.start();
  auto live = submit_eight(bench, 30);
  for (std::size_t tokens : {5U, 15U}) {
    REQUIRE(bench.run_until([&] { return all_of(*live[0].stream).tokens.size() >= tokens; }));
    caf::anon_send_exit(bench.wiring().batcher, caf::exit_reason::kill);
  }
  bench.run();
  check_exact(live, 30);
  CHECK(bench.wiring().epoch == 3);
  CHECK(bench.env->status.live == 0);
  CHECK(bench.blocks_in_use() == 0);
}

TEST_CASE("a request interrupted a third time by a batcher's death fails with 500") {
  ActorBench bench;
  bench.start();
  auto live = bench.submit(bench.request("prompt", 60));
  for (std::size_t tokens : {3U, 6U, 9U}) {
    REQUIRE(bench.run_until([&] { return all_of(*live.stream).tokens.size() >= tokens; }));
    caf::anon_send_exit(bench.wiring().batcher, caf::exit_reason::kill);
  }
  bench.run();
  auto chunk = all_of(*live.stream);
  CHECK(chunk.phase == StreamPhase::kFailed);
  CHECK(chunk.error.code == ErrorCode::kInternal);
  CHECK(chunk.error.message == "the request was interrupted too often");
  auto after = bench.submit(bench.request("prompt", 5));
  bench.run();
  CHECK(after.stream->phase() == StreamPhase::kFinished);
}

TEST_CASE("R087, contract 8: only the poisoned request fails, the others finish token by token") {
  ActorBench bench;
  bench.runner.control->poison('!', ScriptedFault::kThrow);
  bench.start();
  auto live = submit_eight(bench, 30);
  REQUIRE(bench.run_until([&] { return all_of(*live[0].stream).tokens.size() >= 5; }));
  auto poisoned = bench.submit(bench.request("boom!", 30));
  bench.run();
  check_exact(live, 30);
  auto chunk = all_of(*poisoned.stream);
  CHECK(chunk.phase == StreamPhase::kFailed);
  CHECK(chunk.error.code == ErrorCode::kInternal);
  CHECK(chunk.tokens.empty());
  CHECK(bench.runner.control->runners() == 1 + 1 + Scheduler::kRetriesMax);
  CHECK(bench.env->status.failed_stage == -1);
}

TEST_CASE("a request whose numbers are not finite fails alone, without a death") {
  ActorBench bench;
  bench.runner.control->fault_at(4, ScriptedFault::kNotFinite);
  bench.start();
  auto live = submit_eight(bench, 10);
  bench.run();
  int failed = 0;
  for (const auto& one : live) failed += one.stream->phase() == StreamPhase::kFailed ? 1 : 0;
  CHECK(failed == 1);
  CHECK(bench.runner.control->runners() == 1);
}

TEST_CASE("R082: an executor that dies in a row of deaths without a step is given up, everything waiting gets a 500") {
  ActorBench bench;
  bench.env->options.deaths_max = 2;
  bench.runner.control->fault_every(1, ScriptedFault::kThrow);
  bench.start();
  auto live = submit_eight(bench, 10);
  bench.run();
  for (const auto& one : live) {
    auto chunk = all_of(*one.stream);
    CHECK(chunk.phase == StreamPhase::kFailed);
    CHECK(chunk.error.code == ErrorCode::kInternal);
    CHECK(chunk.error.message == "the executor of this server has failed");
  }
  CHECK(bench.env->status.failed_stage == static_cast<int>(ProgressStage::kExecutor));
  auto late = bench.submit(bench.request("late", 5));
  bench.run();
  CHECK(late.stream->phase() == StreamPhase::kFailed);
  CHECK(bench.env->status.live == 0);
}

TEST_CASE("a factory that throws counts as a death") {
  ActorBench bench;
  auto calls = std::make_shared<int>(0);
  bench.env->options.deaths_max = 4;
  bench.env->options.new_runner = [calls]() -> std::unique_ptr<StepRunner> {
    ++*calls;
    throw std::runtime_error("no device");
  };
  bench.start();
  CHECK(*calls == 4);
  CHECK(bench.env->status.failed_stage == static_cast<int>(ProgressStage::kExecutor));
}

TEST_CASE("a fresh runner that is not like the first one is not used") {
  ActorBench bench;
  bench.env->runner.numerics_class = "another class";
  bench.start();
  CHECK(bench.env->status.failed_stage == static_cast<int>(ProgressStage::kExecutor));
}

TEST_CASE("deaths with steps in between are no crash loop") {
  ActorBench bench;
  bench.env->options.deaths_max = 3;
  bench.runner.control->fault_every(7, ScriptedFault::kThrow);
  bench.start();
  for (int i = 0; i < 10; ++i) {
    auto live = bench.submit(bench.request("prompt 0", 8));
    bench.run();
    check_exact({live}, 8);
  }
  CHECK(bench.runner.control->runners() > 5);
  CHECK(bench.env->status.failed_stage == -1);
}

TEST_CASE("D12: a stage with work that does not get on is named") {
  ActorBench bench;
  bench.env->options.result_cache_bytes = 1U << 20;
  bench.start();
  auto stuck = [&] {
    auto found = bench.env->progress.stuck(bench.now(), 10s);
    return found ? std::string(name_of(found->stage)) : std::string("none");
  };
  std::vector<std::string> seen;
  bench.submit(bench.request("hello", 3));
  // Stop at every message, let 11 s pass: whoever has the work then is the one.
  while (bench.coordinator().try_run_once()) {
    auto now = bench.now();
    if (auto found = bench.env->progress.stuck(now + 11s, 10s)) seen.emplace_back(name_of(found->stage));
  }
  CHECK(std::find(seen.begin(), seen.end(), "cache") != seen.end());
  CHECK(std::find(seen.begin(), seen.end(), "batcher") != seen.end());
  CHECK(std::find(seen.begin(), seen.end(), "executor") != seen.end());
  bench.advance(1h);
  CHECK(stuck() == "none");
}

TEST_CASE("D2: a result in the name of an executor that was replaced is not believed") {
  ActorBench bench;
  bench.start();
  caf::actor batcher = bench.wiring().batcher;
  bench.runner.control->on_plan = [&](const StepPlan& plan) {
    StepResult forged;
    forged.step = plan.step;
    for (const StepRow& row : plan.rows) {
      RowResult& result = forged.rows.emplace_back();
      result.sequence = row.sequence;
      if (row.sampling != kNoIndex) result.outcome = RowOutcome::kSampled, result.token = '!';
    }
    caf::anon_send(batcher, StepDone{0, std::move(forged)});  // before the right one
  };
  auto live = submit_eight(bench, 10);
  bench.run();
  check_exact(live, 10);
}

TEST_CASE("D2: what a batcher says that was replaced is not heard") {
  ActorBench bench;
  bench.start();
  auto live = submit_eight(bench, 10);
  REQUIRE(bench.run_until([&] { return all_of(*live[0].stream).tokens.size() >= 3; }));
  for (const auto& one : live) {
    auto request = caf::actor_cast<caf::actor>(one.actor);
    SequenceNews token{0, {}};
    token.event.kind = SequenceEvent::Kind::kToken;
    token.event.token = '!';
    caf::anon_send(request, token);
    caf::anon_send(request, Refused{0, Error{ErrorCode::kQueueFull, "no room", "", 1}});
  }
  bench.run();
  check_exact(live, 10);
}
