#include "runtime/batch_window.hpp"

#include <catch2/catch.hpp>
#include <random>

using namespace troupe;
using namespace std::chrono_literals;

namespace {
const SteadyTime kStart{100s};

BatchWindowInput waiting_since(SteadyTime first, SteadyTime now) {
  BatchWindowInput input;
  input.now = now;
  input.first_waiting = first;
  input.waiting = 1;
  input.room = 8;
  return input;
}
}  // namespace

TEST_CASE("R084: with nobody waiting there is nothing to ask for again") {
  BatchWindow window(10ms);
  BatchWindowInput input;
  input.now = kStart;
  input.room = 8;
  auto decision = window.decide(input);
  REQUIRE_FALSE(decision.close);
  REQUIRE(decision.ask_again == SteadyTime::max());
}

TEST_CASE("R070: the window is not spent when the executor has work anyway") {
  BatchWindow window(10ms);
  auto input = waiting_since(kStart, kStart);
  input.running = 1;
  REQUIRE(window.decide(input).close == BatchClose::kRunning);
}

TEST_CASE("R070: the window is not spent when the batch is full") {
  BatchWindow window(10ms);
  auto input = waiting_since(kStart, kStart);
  input.waiting = 8;
  REQUIRE(window.decide(input).close == BatchClose::kFull);
  input.waiting = 7;
  REQUIRE_FALSE(window.decide(input).close);
}

TEST_CASE("R070: the window is not spent when it would endanger a deadline") {
  BatchWindow window(10ms);
  auto input = waiting_since(kStart, kStart);
  input.first_deadline = kStart + 5ms;
  REQUIRE(window.decide(input).close == BatchClose::kDeadline);
  input.first_deadline = kStart - 1ms;
  REQUIRE(window.decide(input).close == BatchClose::kDeadline);
  input.first_deadline = kStart + 30s;
  REQUIRE_FALSE(window.decide(input).close);
}

TEST_CASE("R070: a window of 0 never waits") {
  BatchWindow window(0ms);
  REQUIRE(window.decide(waiting_since(kStart, kStart)).close == BatchClose::kIdle);
}

TEST_CASE("R068: the window ends for the first that waits, and says when") {
  BatchWindow window(10ms);
  auto early = window.decide(waiting_since(kStart, kStart + 3ms));
  REQUIRE_FALSE(early.close);
  REQUIRE(early.ask_again == kStart + 10ms);
  REQUIRE(window.decide(waiting_since(kStart, kStart + 10ms)).close == BatchClose::kWindow);
  REQUIRE(window.decide(waiting_since(kStart, kStart + 1h)).close == BatchClose::kWindow);
  // A clock read before the arrival was stamped makes the wait no longer than the window.
  REQUIRE(window.decide(waiting_since(kStart, kStart - 1ms)).ask_again == kStart + 10ms);
}

TEST_CASE("R083: arrivals 9 ms apart do not stretch a window of 10 ms") {
  BatchWindow window(10ms);
  auto input = waiting_since(kStart, kStart);
  input.room = 100;
  SteadyTime closed{};
  for (int arrival = 0; arrival < 16 && closed == SteadyTime{}; ++arrival) {
    input.now = kStart + 9ms * arrival;
    input.waiting = static_cast<std::uint32_t>(arrival + 1);
    auto decision = window.decide(input);
    if (decision.close) closed = input.now;
    if (!decision.close && decision.ask_again <= kStart + 9ms * (arrival + 1)) closed = decision.ask_again;
  }
  REQUIRE(closed == kStart + 10ms);
}

TEST_CASE("R068: whatever the arrivals, nobody is held longer than the window") {
  std::mt19937 random(83);
  for (int round = 0; round < 2000; ++round) {
    std::chrono::microseconds length(random() % 20000);
    BatchWindow window(length);
    auto input = waiting_since(kStart, kStart);
    input.room = 1 + random() % 16;
    for (;;) {
      auto decision = window.decide(input);
      if (decision.close) break;
      if (decision.ask_again <= input.now) FAIL("the decision is put off to the past");
      auto next_arrival = input.now + std::chrono::microseconds(random() % 5000);
      input.now = std::min(decision.ask_again, next_arrival);
      if (next_arrival <= decision.ask_again) ++input.waiting;
    }
    if (input.now - kStart > length) FAIL("held for longer than the window");
  }
  SUCCEED();
}

TEST_CASE("every reason to close a batch has a name") {
  REQUIRE(std::string(name_of(BatchClose::kFull)) == "full");
  REQUIRE(std::string(name_of(BatchClose::kRunning)) == "running");
}
