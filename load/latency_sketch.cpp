#include "load/latency_sketch.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/observations.hpp"
#include "runtime/quantile_cells.hpp"

namespace troupe {
namespace {

void add_to(std::uint32_t& cell, std::uint32_t n) {
  cell = n > std::numeric_limits<std::uint32_t>::max() - cell ? std::numeric_limits<std::uint32_t>::max() : cell + n;
}

}  // namespace

LatencySketch::LatencySketch() : cells_(QuantileSketch::kCells) {}

void LatencySketch::observe(double seconds) {
  add_to(cells_[cell_of(seconds)], 1);
  min_ = count_ == 0 ? seconds : std::min(min_, seconds);
  max_ = count_ == 0 ? seconds : std::max(max_, seconds);
  sum_ += seconds;
  ++count_;
}

void LatencySketch::merge(const LatencySketch& other) {
  if (other.count_ == 0) return;
  for (std::size_t i = 0; i < cells_.size(); ++i) add_to(cells_[i], other.cells_[i]);
  min_ = count_ == 0 ? other.min_ : std::min(min_, other.min_);
  max_ = count_ == 0 ? other.max_ : std::max(max_, other.max_);
  sum_ += other.sum_;
  count_ += other.count_;
}

std::optional<double> LatencySketch::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count_)));
  rank = std::clamp<std::uint64_t>(rank, 1, count_);
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    so_far += cells_[i];
    if (so_far >= rank) return std::clamp(middle_of(i), min_, max_);
  }
  return max_;
}

std::vector<LatencySketch::Bin> LatencySketch::bins() const {
  std::vector<Bin> bins;
  for (std::size_t i = 0; i < cells_.size(); i += kCellsPerBin) {
    std::size_t end = std::min(i + kCellsPerBin, cells_.size());
    Bin bin{QuantileSketch::kSmallest * std::pow(QuantileSketch::kGrowth, static_cast<double>(end - 1)), 0};
    for (std::size_t cell = i; cell < end; ++cell) bin.count += cells_[cell];
    if (bin.count > 0 || !bins.empty()) bins.push_back(bin);
  }
  while (!bins.empty() && bins.back().count == 0) bins.pop_back();
  return bins;
}

}  // namespace troupe
