#include "runtime/batch_window.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace troupe;

namespace {

// Two cores and a small model, by its steps: 2 ms, 0.45 a prompt position, 0.6 a sequence.
double cpu_ms(const StepShape& step) { return 2 + 0.45 * step.prefill + 0.6 * step.seqs; }
// A card: 5 ms whatever is in the step.
double card_ms(const StepShape& step) { return 5.5 + 0.002 * step.prefill + 0.01 * step.seqs; }

BatchWindow window_on(double (*device)(const StepShape&), Slo slo, double window_max_ms = 10) {
  BatchWindowOptions options;
  options.window_max_ms = window_max_ms;
  BatchWindow window(slo, options);
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    StepShape step;
    step.seqs = static_cast<double>(random() % 33);
    step.prefill = random() % 2 == 0 ? 0.0 : static_cast<double>(random() % 256);
    window.plan({step.seqs, 0, 0, 0, 0, 0, 0});
    window.observe_step(step, device(step), step.seqs, 0);
  }
  return window;
}

constexpr Slo kPromises{400, 1, 50};

// What a step takes on when one prompt of `left` positions is there.
std::uint32_t chunk_beside(BatchWindow& window, LoadView load, std::uint32_t left) {
  window.plan(load);
  return window.chunk({0, load.decoding, load.context, 0}, 0, left);
}

}  // namespace

TEST_CASE("D1: beside streams a step is planned in milliseconds, within the promised gap") {
  BatchWindow window = window_on(cpu_ms, kPromises);
  LoadView load;
  load.decoding = 8;
  load.prompt_tokens = 1000;
  load.need_rate = 10;  // deadlines press: the whole target may be used
  std::uint32_t urgent = chunk_beside(window, load, 1000);
  CHECK(cpu_ms({double(urgent), 8, 0, 0}) <= 50);
  CHECK(cpu_ms({double(urgent), 8, 0, 0}) > 30);
  CHECK(window.bound() == StepBound::kGap);
  load.need_rate = 0;  // nobody is in danger: shorter steps, shorter gaps
  std::uint32_t calm = chunk_beside(window, load, 1000);
  CHECK(calm < urgent);
  CHECK(calm >= 1);
  CHECK(window.bound() == StepBound::kCalm);
}

TEST_CASE("D1: where no gap is promised, prompts make steps longer by a factor, and by more only for a promise") {
  BatchWindow aims = window_on(cpu_ms, Slo{});
  BatchWindow first_token = window_on(cpu_ms, Slo{400, 1, 0});
  BatchWindow both = window_on(cpu_ms, Slo{400, 1, 100});
  LoadView load;
  load.prompt_tokens = 1000;
  for (double streams : {4.0, 8.0, 16.0}) {
    load.decoding = streams;
    auto step_of = [&](BatchWindow& window, double need_rate) {
      load.need_rate = need_rate;
      return cpu_ms({double(chunk_beside(window, load, 1000)), streams, 0, 0});
    };
    const double decode_alone = cpu_ms({0, streams, 0, 0});
    const double some_progress = decode_alone + 10;  // whatever the factor, a tenth of the aim of 100 ms
    const double calm = step_of(aims, 0), urgent = step_of(aims, 10);
    CAPTURE(streams, calm, urgent, decode_alone);
    CHECK(calm > 2.2 * decode_alone);
    CHECK(calm < std::max(2.7 * decode_alone, 1.1 * some_progress));
    CHECK(urgent > 1.05 * calm);
    CHECK(urgent < std::max(3.3 * decode_alone, 38.0));
    CHECK(std::abs(step_of(first_token, 0) - calm) < 1);
    CHECK(step_of(first_token, 10) > 70);  // in danger, a promised first token may use the whole aim
    CHECK(step_of(both, 0) > 50);          // what was promised is spent
  }
}

TEST_CASE("D1: a prompt makes some progress even when decode alone fills the target") {
  BatchWindow window = window_on(cpu_ms, Slo{400, 1, 10});
  LoadView load;
  load.decoding = 32;
  CHECK(chunk_beside(window, load, 1000) >= 1);
}

TEST_CASE("R067: sequences are limited by the promised gap, and never above the configured number") {
  BatchWindow window = window_on(cpu_ms, Slo{400, 1, 12});
  LoadView load;
  load.decoding = 4;
  window.plan(load);
  CHECK(window.sequences_max() >= 4);
  CHECK(window.sequences_max() <= 16);  // 2 + 0.6 n within nine tenths of 12 ms less the margin
  BatchWindow loose = window_on(cpu_ms, Slo{400, 1, 1000});
  loose.plan(load);
  CHECK(loose.sequences_max() == 32);
  BatchWindow unpromised = window_on(cpu_ms, Slo{});
  unpromised.plan(load);
  CHECK(unpromised.sequences_max() == 32);
}

TEST_CASE("D1: late gaps trim the target only when the step was planned near it") {
  BatchWindow window = window_on(cpu_ms, kPromises);
  StepShape small{0, 4, 0, 0}, large{90, 8, 0, 0};
  for (int i = 0; i < 100; ++i) window.observe_step(small, cpu_ms(small), 4, 4);  // stalls of the machine
  CHECK(window.trim() == 1.0);
  for (int i = 0; i < 5; ++i) window.observe_step(large, cpu_ms(large), 8, 8);
  CHECK(window.trim() < 1.0);
  for (int i = 0; i < 1000; ++i) window.observe_step(large, cpu_ms(large), 8, 8);
  CHECK(window.trim() == 0.5);
}

TEST_CASE("D1: at constant load the plan does not move") {
  BatchWindow window = window_on(cpu_ms, kPromises);
  LoadView load;
  load.decoding = 8;
  std::uint32_t first = chunk_beside(window, load, 1000);
  for (int i = 0; i < 1000; ++i) {
    std::uint32_t chunk = chunk_beside(window, load, 1000);
    CHECK(chunk == Approx(first).epsilon(0.05));
    StepShape step{double(chunk), 8, 0, 0};
    window.observe_step(step, cpu_ms(step), 8, 0);
  }
}

TEST_CASE("D1: no step plans more than twice the largest prefill seen lately") {
  BatchWindowOptions options;
  options.step_tokens_max = 4096;
  BatchWindow window(Slo{}, options);
  window.plan({});
  CHECK(window.chunk({}, 0, 4096) <= 128);
}

TEST_CASE("D1: an impossible target costs its own misses, not the throughput") {
  BatchWindow window = window_on([](const StepShape& s) { return 40 + 10 * s.prefill + 5 * s.seqs; }, Slo{400, 1, 1});
  LoadView load;
  load.decoding = 2;
  window.plan(load);
  CHECK(window.step_ms() > 50);                   // two streams alone need 50
  CHECK(window.allowance_ms(1000) > 3 * 10'000);  // best effort, not refused for ever
  CHECK_FALSE(window.is_feasible(1000));
}

TEST_CASE("R070, R083: an idle executor does not gamble before it knows 20 gaps, nor beyond its window") {
  BatchWindow window = window_on(card_ms, Slo{200, 0.15, 25});
  for (int i = 0; i < 19; ++i) window.observe_arrival_gap(0.2, true);
  CHECK(window.hold_ms(1, 20, 0, 0) == 0);
  for (int i = 0; i < 50; ++i) window.observe_arrival_gap(0.2, true);
  double hold = window.hold_ms(1, 20, 0, 0);
  CHECK(hold > 0);
  CHECK(hold <= 10);
  CHECK(window.hold_ms(1, 20, 0, 10) == 0);
  for (double held = 0; held < 10; held += 0.5) CHECK(held + window.hold_ms(1, 20, 0, held) <= 10);
}

TEST_CASE("D1: waiting for company pays on a card with company near, never on a CPU") {
  auto hold_on = [](double (*device)(const StepShape&), double gap_ms) {
    BatchWindow window = window_on(device, Slo{});
    for (int i = 0; i < 100; ++i) window.observe_arrival_gap(gap_ms, true);
    for (int i = 0; i < 400; ++i) window.observe_finish(64, 20);
    return window.hold_ms(1, 64, 0, 0);
  };
  CHECK(hold_on(card_ms, 0.3) > 0);
  CHECK(hold_on(card_ms, 50) == 0);
  CHECK(hold_on(cpu_ms, 0.3) == 0);
}

TEST_CASE("R066: in fixed mode the knobs stand as configured") {
  BatchWindowOptions options;
  options.mode = BatchWindowOptions::Mode::kFixed;
  options.window_max_ms = 7;
  options.step_tokens_max = 100;
  options.prefill_chunk_max = 30;
  BatchWindow window(kPromises, options);
  LoadView load;
  load.decoding = 4;
  window.plan(load);
  CHECK(window.chunk({0, 4, 0, 0}, 0, 1000) == 30);
  CHECK(window.chunk({90, 4, 0, 0}, 0, 1000) == 10);
  CHECK(window.chunk({0, 0, 0, 0}, 0, 1000) == 100);  // nobody else is there
  CHECK(window.hold_ms(1, 10, 0, 2) == 5);
  CHECK(window.hold_ms(1, 10, 0, 7) == 0);
}

TEST_CASE("D18: the same inputs give the same plans, bit for bit") {
  BatchWindow a = window_on(cpu_ms, kPromises), b = window_on(cpu_ms, kPromises);
  LoadView load;
  load.decoding = 7;
  load.need_rate = 0.3;
  a.plan(load), b.plan(load);
  CHECK(a.step_ms() == b.step_ms());
  CHECK(a.chunk({0, 7, 0, 0}, 10, 500) == b.chunk({0, 7, 0, 0}, 10, 500));
}
