#include "gpu/host/thread_pool.hpp"

#include <pthread.h>
#include <xmmintrin.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "runtime/cpu_topology.hpp"

namespace troupe {
namespace {

// CPU time of the whole process.
double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

TEST_CASE("every tile runs exactly once, whatever the numbers of threads and tiles") {
  for (const std::uint32_t threads : {1U, 2U, 3U, 7U}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (const std::uint32_t tiles : {0U, 1U, 2U, 5U, 100U, 1000U}) {
      std::vector<int> runs(tiles, 0);  // plain: two threads in one tile would be a race
      pool.begin_step();
      pool.run(tiles, [&](std::uint32_t tile, std::uint32_t thread) {
        ++runs[tile];
        if (thread >= threads) runs[tile] = 99;
      });
      pool.end_step();
      CHECK(runs == std::vector<int>(tiles, 1));
    }
  }
}

TEST_CASE("a run sees what the run before wrote, thousands of times over") {
  ThreadPool pool(4);
  std::vector<std::uint64_t> cells(64, 1);
  pool.begin_step();
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::uint64_t> next(cells.size());
    pool.run(static_cast<std::uint32_t>(cells.size()), [&](std::uint32_t tile, std::uint32_t) {
      next[tile] = (cells[tile] + cells[(tile + 1) % cells.size()]) % 1'000'003;
    });
    cells.swap(next);
  }
  pool.end_step();
  std::vector<std::uint64_t> expected(64, 1);
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::uint64_t> next(expected.size());
    for (std::size_t i = 0; i < 64; ++i) next[i] = (expected[i] + expected[(i + 1) % 64]) % 1'000'003;
    expected.swap(next);
  }
  CHECK(cells == expected);
}

TEST_CASE("runs between steps, outside of any step and after sleeping are complete") {
  ThreadPool pool(3);
  const auto sum_of = [&](std::uint32_t tiles) {
    std::atomic<std::uint32_t> sum{0};
    pool.run(tiles, [&](std::uint32_t tile, std::uint32_t) { sum += tile; });
    return sum.load();
  };
  CHECK(sum_of(10) == 45);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(5 * ThreadPool::kParkAfter);  // long enough that the others sleep
    pool.begin_step();
    CHECK(sum_of(100) == 4950);
    pool.end_step();
    CHECK(sum_of(10) == 45);
    pool.begin_step();
    CHECK(sum_of(1000) == 499500);
    pool.end_step();
  }
}

TEST_CASE("contract 6: an idle pool burns no CPU") {
  ThreadPool pool(4);
  pool.begin_step();
  pool.run(100, [](std::uint32_t, std::uint32_t) {});
  pool.end_step();
  std::this_thread::sleep_for(20 * ThreadPool::kParkAfter);
  const double before = cpu_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  CHECK(cpu_seconds() - before < 0.03);
}

TEST_CASE("every thread has a name and the canon's rounding mode") {
  ThreadPool pool(2, "canon");
  std::atomic<bool> worker_seen{false};
  std::string name;
  unsigned control[2] = {0, 0};
  pool.begin_step();
  pool.run(2, [&](std::uint32_t, std::uint32_t thread) {
    control[thread] = _mm_getcsr() & 0xFFC0U;  // without the flags of past exceptions
    if (thread == 1) {
      char buffer[16];
      pthread_getname_np(pthread_self(), buffer, sizeof buffer);
      name = buffer;
      worker_seen = true;
    }
    const auto start = std::chrono::steady_clock::now();  // hold the tile until the other thread has one
    while (!worker_seen && std::chrono::steady_clock::now() - start < std::chrono::seconds(10)) {
      std::this_thread::yield();
    }
  });
  pool.end_step();
  REQUIRE(worker_seen);
  CHECK(name == "canon-1");
  CHECK(control[0] == 0x1F80U);
  CHECK(control[1] == 0x1F80U);
}

TEST_CASE("pinned threads stay on their CPUs, whoever steps the pool, and nobody else is pinned") {
  const std::vector<LogicalCpu> cpus = allowed_cpus();
  const std::uint32_t first = cpus.front().cpu, last = cpus.back().cpu;
  const auto affinity = [] {
    std::vector<std::uint32_t> all;
    for (const LogicalCpu& cpu : allowed_cpus()) all.push_back(cpu.cpu);
    return all;
  };
  ThreadPool pool(2, "pinned", {first, last});
  for (int stepper = 0; stepper < 2; ++stepper) {
    std::thread([&] {
      pool.begin_step();
      CHECK(affinity() == std::vector<std::uint32_t>{first});
      pool.end_step();
    }).join();
  }
  CHECK(affinity().size() == cpus.size());
}

}  // namespace troupe
