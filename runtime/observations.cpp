#include "runtime/observations.hpp"

#include <algorithm>

#include "runtime/quantile_cells.hpp"

namespace troupe {
namespace {

std::uint32_t seconds_of(SteadyTime time) {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count());
}

}  // namespace

std::size_t cell_of(double seconds) {
  if (!(seconds > QuantileSketch::kSmallest)) return 0;  // NaN too
  static const double scale = 1.0 / std::log(QuantileSketch::kGrowth);
  double cell = std::ceil(std::log(seconds / QuantileSketch::kSmallest) * scale);
  return static_cast<std::size_t>(std::min(cell, static_cast<double>(QuantileSketch::kCells - 1)));
}

double middle_of(std::size_t cell) {
  if (cell == 0) return QuantileSketch::kSmallest;
  return QuantileSketch::kSmallest * std::pow(QuantileSketch::kGrowth, static_cast<double>(cell) - 0.5);
}

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds), counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds.size() + 1)) {}

void Histogram::observe(double value) {
  auto bucket = static_cast<std::size_t>(std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<std::uint64_t> Histogram::cumulative() const {
  std::vector<std::uint64_t> counts(bounds_.size() + 1);
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = so_far += counts_[i].load(std::memory_order_relaxed);
  return counts;
}

std::uint64_t Histogram::count() const {
  std::uint64_t all = 0;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) all += counts_[i].load(std::memory_order_relaxed);
  return all;
}

void IntervalCount::add(std::uint32_t interval, std::uint32_t n) {
  std::uint64_t old = word_.load(std::memory_order_relaxed);
  std::uint64_t changed = 0;
  do {
    auto held = static_cast<std::uint32_t>(old >> 32U);
    if (held > interval) return;  // the writer slept for a whole round: its interval is no longer kept
    std::uint64_t count = held == interval ? old & 0xFFFFFFFFU : 0;
    count = std::min<std::uint64_t>(count + n, 0xFFFFFFFFU);
    changed = (static_cast<std::uint64_t>(interval) << 32U) | count;
  } while (!word_.compare_exchange_weak(old, changed, std::memory_order_relaxed));
}

std::uint32_t IntervalCount::in(std::uint32_t interval) const {
  std::uint64_t word = word_.load(std::memory_order_relaxed);
  return static_cast<std::uint32_t>(word >> 32U) == interval ? static_cast<std::uint32_t>(word) : 0;
}

void WindowedRate::add(SteadyTime now, std::uint32_t n) {
  std::uint32_t second = seconds_of(now);
  seconds_[second % seconds_.size()].add(second, n);
}

double WindowedRate::per_second(SteadyTime now) const {
  std::uint32_t second = seconds_of(now);
  std::uint64_t events = 0;
  for (std::uint32_t back = 1; back <= kSeconds && back <= second; ++back) {
    events += seconds_[(second - back) % seconds_.size()].in(second - back);
  }
  return static_cast<double>(events) / kSeconds;
}

QuantileSketch::QuantileSketch() : cells_((kSlices + 1) * kCells) {}

void QuantileSketch::observe(double seconds, SteadyTime now) {
  std::uint32_t slice = seconds_of(now) / kSliceSeconds;
  cells_[(slice % (kSlices + 1)) * kCells + cell_of(seconds)].add(slice, 1);
}

std::optional<double> QuantileSketch::quantile(double q, SteadyTime now) const {
  std::uint32_t slice = seconds_of(now) / kSliceSeconds;
  std::vector<std::uint64_t> counts(kCells);
  std::uint64_t all = 0;
  for (std::uint32_t back = 0; back < kSlices && back <= slice; ++back) {
    const IntervalCount* cells = &cells_[((slice - back) % (kSlices + 1)) * kCells];
    for (std::size_t i = 0; i < kCells; ++i) {
      std::uint32_t n = cells[i].in(slice - back);
      counts[i] += n;
      all += n;
    }
  }
  if (all == 0) return std::nullopt;
  auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(all)));
  rank = std::clamp<std::uint64_t>(rank, 1, all);
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < kCells; ++i) {
    so_far += counts[i];
    if (so_far >= rank) return middle_of(i);
  }
  return middle_of(kCells - 1);
}

}  // namespace troupe
