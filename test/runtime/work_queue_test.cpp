#include "runtime/work_queue.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <stdexcept>

#include "runtime/log.hpp"

using namespace troupe;

namespace {

// Keeps a queue's only thread busy until it is opened.
class Gate {
 public:
  std::function<void()> job() {
    return [this] {
      entered_.set_value();
      open_.get_future().wait();
    };
  }
  void wait_until_entered() { entered_.get_future().wait(); }
  void open() { open_.set_value(); }

 private:
  std::promise<void> entered_, open_;
};

}  // namespace

TEST_CASE("work queue runs every job once, on the threads it prepared") {
  std::atomic<int> prepared = 0, ran = 0;
  {
    WorkQueue queue(3, {}, [&](std::uint32_t index) { prepared += static_cast<int>(index) + 1; });
    std::promise<void> done;
    for (int i = 0; i < 500; ++i) {
      REQUIRE(queue.try_post(
          [&] {
            if (++ran == 500) done.set_value();
          },
          1));
    }
    done.get_future().wait();
  }
  REQUIRE(ran == 500);
  REQUIRE(prepared == 1 + 2 + 3);
}

TEST_CASE("contract 4: work queue refuses what goes beyond its jobs or bytes") {
  Gate gate;
  WorkQueue queue(1, {2, 100});
  REQUIRE(queue.try_post(gate.job(), 40));
  gate.wait_until_entered();
  REQUIRE_FALSE(queue.try_post([] {}, 101));
  REQUIRE_FALSE(queue.try_post([] {}, SIZE_MAX));
  REQUIRE_FALSE(queue.try_post([] {}, 61));  // the running job still holds its text
  REQUIRE(queue.try_post([] {}, 60));
  REQUIRE_FALSE(queue.try_post([] {}, 1));
  REQUIRE(queue.try_post([] {}, 0));
  REQUIRE_FALSE(queue.try_post([] {}, 0));  // two jobs wait
  REQUIRE(queue.depth() == 2);
  gate.open();
}

TEST_CASE("work queue gives bytes back when a job is done") {
  WorkQueue queue(1, {10, 100});
  for (int i = 0; i < 50; ++i) {
    std::promise<void> done;
    while (!queue.try_post([&] { done.set_value(); }, 100)) std::this_thread::yield();
    done.get_future().wait();
  }
  REQUIRE(queue.depth() == 0);
}

TEST_CASE("work queue finishes what runs and drops what waits when it is closed") {
  std::atomic<int> ran = 0;
  auto witness = std::make_shared<int>(0);
  Gate gate;
  WorkQueue queue(1, {});
  REQUIRE(queue.try_post(gate.job(), 1));
  gate.wait_until_entered();
  REQUIRE(queue.try_post([&, witness] { ++ran; }, 1));
  std::thread closer([&] { queue.close(); });
  while (queue.depth() > 0) std::this_thread::yield();
  gate.open();
  closer.join();
  queue.close();
  REQUIRE(ran == 0);
  REQUIRE(witness.use_count() == 1);
  REQUIRE_FALSE(queue.try_post([&] { ++ran; }, 1));
}

TEST_CASE("D12: a thread that a job holds for ever can be replaced, so often and no more") {
  std::promise<void> held, release;
  std::shared_future<void> until = release.get_future().share();
  WorkQueue queue(1, {});
  REQUIRE(queue.try_post([&held, until] { held.set_value(), until.wait(); }, 0));
  held.get_future().wait();
  std::promise<void> ran;
  REQUIRE(queue.try_post([&] { ran.set_value(); }, 0));
  std::future<void> has_run = ran.get_future();
  CHECK(has_run.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  CHECK(queue.add_thread());
  CHECK(has_run.wait_for(std::chrono::seconds(20)) == std::future_status::ready);
  CHECK_FALSE(queue.add_thread());
  release.set_value();
  queue.close();
  CHECK_FALSE(queue.add_thread());
}

TEST_CASE("contract 8: a job that throws takes nobody along") {
  std::atomic<int> errors = 0;
  set_log_sink(
      [&](LogLevel level, std::string_view, std::string_view) { errors += level == LogLevel::kError ? 1 : 0; });
  {
    WorkQueue queue(1, {});
    std::promise<void> done;
    REQUIRE(queue.try_post([] { throw std::runtime_error("bad"); }, 1));
    REQUIRE(queue.try_post([] { throw 7; }, 1));
    REQUIRE(queue.try_post([&] { done.set_value(); }, 1));
    done.get_future().wait();
  }
  set_log_sink({});
  REQUIRE(errors == 2);
}

TEST_CASE("work queue takes jobs from many threads at once without losing one") {
  std::atomic<int> ran = 0, refused = 0;
  std::vector<std::thread> posters;
  {
    WorkQueue queue(2, {16, 1000});
    for (int t = 0; t < 4; ++t) {
      posters.emplace_back([&] {
        for (int i = 0; i < 2000; ++i) {
          if (!queue.try_post([&] { ++ran; }, 10)) ++refused;
        }
      });
    }
    for (std::thread& poster : posters) poster.join();
    while (queue.depth() > 0) std::this_thread::yield();
  }
  REQUIRE(ran + refused == 8000);
  REQUIRE(ran > 0);
}
