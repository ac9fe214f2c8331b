#include "runtime/progress.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

using namespace troupe;
using namespace std::chrono_literals;

namespace {
const SteadyTime kStart{100s};
}

TEST_CASE("D12: an idle stage is never stuck, however long nothing happens") {
  Progress progress;
  REQUIRE_FALSE(progress.stuck(kStart, 1s));
  progress.begin(ProgressStage::kText, kStart);
  progress.end(ProgressStage::kText, kStart + 10ms);
  REQUIRE_FALSE(progress.stuck(kStart + 24h, 1s));
}

TEST_CASE("D12: a stage with work and without progress is stuck, and is named") {
  Progress progress;
  progress.begin(ProgressStage::kExecutor, kStart);
  REQUIRE_FALSE(progress.stuck(kStart + 1s, 1s));
  auto stuck = progress.stuck(kStart + 3s, 1s);
  REQUIRE(stuck);
  REQUIRE(stuck->stage == ProgressStage::kExecutor);
  REQUIRE(stuck->since == 3s);
  REQUIRE(std::string(name_of(stuck->stage)) == "executor");
}

TEST_CASE("D12: time is counted from the last progress or from the end of idleness, not from older work") {
  Progress progress;
  progress.begin(ProgressStage::kBatcher, kStart);
  progress.begin(ProgressStage::kBatcher, kStart);
  progress.end(ProgressStage::kBatcher, kStart + 5s);  // one of two: it gets on
  REQUIRE_FALSE(progress.stuck(kStart + 5500ms, 1s));
  progress.begin(ProgressStage::kBatcher, kStart + 5900ms);  // more work is no progress
  REQUIRE(progress.stuck(kStart + 6100ms, 1s)->since == 1100ms);
  progress.end(ProgressStage::kBatcher, kStart + 7s);
  progress.end(ProgressStage::kBatcher, kStart + 7s);
  progress.begin(ProgressStage::kBatcher, kStart + 60s);
  REQUIRE_FALSE(progress.stuck(kStart + 60500ms, 1s));
}

TEST_CASE("D12: of several stuck stages the one that stands longest is named") {
  Progress progress;
  progress.begin(ProgressStage::kText, kStart + 1s);
  progress.begin(ProgressStage::kExecutor, kStart);
  progress.begin(ProgressStage::kBatcher, kStart + 2s);
  REQUIRE(progress.stuck(kStart + 10s, 1s)->stage == ProgressStage::kExecutor);
}

TEST_CASE("D12: after a reset the stage is idle, and late ends of the void work change nothing") {
  Progress progress;
  progress.begin(ProgressStage::kExecutor, kStart);
  progress.begin(ProgressStage::kExecutor, kStart);
  progress.reset(ProgressStage::kExecutor, kStart + 1s);
  REQUIRE_FALSE(progress.stuck(kStart + 1h, 1s));
  progress.end(ProgressStage::kExecutor, kStart + 2s);
  progress.begin(ProgressStage::kExecutor, kStart + 3s);
  REQUIRE(progress.stuck(kStart + 5s, 1s));
}

TEST_CASE("D12: stages that work on their own threads never look stuck to a reader") {
  Progress progress;
  std::atomic<bool> is_done = false;
  auto work = [&](ProgressStage stage) {
    for (int i = 0; i < 20000; ++i) {
      progress.begin(stage, std::chrono::steady_clock::now());
      progress.end(stage, std::chrono::steady_clock::now());
    }
  };
  std::thread text(work, ProgressStage::kText);
  std::thread batcher(work, ProgressStage::kBatcher);
  std::atomic<int> stuck = 0;
  std::thread reader([&] {
    while (!is_done) stuck += progress.stuck(std::chrono::steady_clock::now(), 60s) ? 1 : 0;
  });
  text.join();
  batcher.join();
  is_done = true;
  reader.join();
  REQUIRE(stuck == 0);
  REQUIRE_FALSE(progress.stuck(std::chrono::steady_clock::now() + 1h, 60s));
}
