#pragma once
// What a metric is made of: numbers that any thread changes and any thread reads, without a lock. All operations are
// relaxed: a scrape sees every observation sooner or later, in no particular order.
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/request.hpp"

namespace troupe {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// A value that goes up and down. Not a number means that there is nothing to say: the series is left out.
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double n) { value_.fetch_add(n, std::memory_order_relaxed); }
  void raise(double value) {  // to `value`, when it is below
    double held = value_.load(std::memory_order_relaxed);
    while (held < value && !value_.compare_exchange_weak(held, value, std::memory_order_relaxed)) {
    }
  }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_ = 0.0;
};

// How many observations fell at or below each of the fixed bounds.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);  // ascending; outlive the histogram

  void observe(double value);
  void observe(std::chrono::nanoseconds time) { observe(std::chrono::duration<double>(time).count()); }

  std::span<const double> bounds() const { return bounds_; }
  std::vector<std::uint64_t> cumulative() const;  // one per bound, then all of them
  std::uint64_t count() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::span<const double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;  // [bounds + 1], not cumulative
  std::atomic<double> sum_ = 0.0;
};

// A count that is only valid in one interval of time. Interval and count share a word, so a count that has become
// old needs no clearing: whoever adds in a later interval starts from 0.
class IntervalCount {
 public:
  void add(std::uint32_t interval, std::uint32_t n);
  std::uint32_t in(std::uint32_t interval) const;

 private:
  std::atomic<std::uint64_t> word_ = 0;  // interval << 32 | count
};

// Events per second over the last kSeconds whole seconds.
class WindowedRate {
 public:
  static constexpr std::uint32_t kSeconds = 10;

  void add(SteadyTime now, std::uint32_t n = 1);
  double per_second(SteadyTime now) const;

 private:
  std::array<IntervalCount, kSeconds + 2> seconds_;
};

// Quantiles of the last minute, each within 1 % of the true value between kSmallest and about 3 hours: counts in
// cells that grow by 2 % (the idea of DDSketch, arXiv:1908.10693).
class QuantileSketch {
 public:
  static constexpr double kSmallest = 1e-4;  // seconds; what is shorter counts as this
  static constexpr double kGrowth = 1.02;
  static constexpr std::size_t kCells = 940;  // kSmallest * kGrowth^940 = 12000 s
  static constexpr std::uint32_t kSliceSeconds = 10;
  static constexpr std::uint32_t kSlices = 6;  // that are read; one more is being left behind

  QuantileSketch();
  void observe(double seconds, SteadyTime now);
  // Nearest rank: the smallest value with at least q * count observations at or below it. Nothing: none were made.
  std::optional<double> quantile(double q, SteadyTime now) const;

 private:
  std::vector<IntervalCount> cells_;  // [kSlices + 1][kCells]
};

}  // namespace troupe
