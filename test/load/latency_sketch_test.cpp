#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "load/latency_sketch.hpp"
#include "load/random.hpp"
#include "load/timeline.hpp"

using namespace troupe;

TEST_CASE("R204 quantiles are within 1 % of the sorted values', count and mean are exact") {
  SeededRandom random(3);
  LatencySketch sketch;
  LatencySketch halves[2];
  std::vector<double> values;
  double sum = 0;
  for (int i = 0; i < 10'001; ++i) {
    values.push_back(0.001 * std::exp(2.0 * random.normal()));
    sum += values.back();
    sketch.observe(values.back());
    halves[i % 2].observe(values.back());
  }
  std::sort(values.begin(), values.end());
  halves[0].merge(halves[1]);
  for (double q : {0.5, 0.9, 0.95, 0.99}) {
    double exact = values[static_cast<std::size_t>(std::ceil(q * 10'001)) - 1];
    CHECK(*sketch.quantile(q) == Approx(std::max(exact, 1e-4)).epsilon(0.01));
    CHECK(halves[0].quantile(q) == sketch.quantile(q));
  }
  CHECK(sketch.count() == 10'001);
  CHECK(halves[0].count() == 10'001);
  CHECK(sketch.mean() == Approx(sum / 10'001));
  CHECK(sketch.min() == values.front());
  CHECK(halves[0].max() == values.back());
}

TEST_CASE("one value is every quantile, none is none") {
  LatencySketch sketch;
  CHECK(!sketch.quantile(0.5));
  CHECK(sketch.bins().empty());
  CHECK(sketch.mean() == 0.0);
  sketch.observe(0.0371);
  CHECK(*sketch.quantile(0.0) == 0.0371);
  CHECK(*sketch.quantile(1.0) == 0.0371);
  LatencySketch other;
  other.merge(sketch);
  CHECK(other.min() == 0.0371);
}

TEST_CASE("bins hold every observation once") {
  LatencySketch sketch;
  for (double value : {0.0, 0.01, 0.0101, 0.5, 1e9}) sketch.observe(value);
  std::uint64_t all = 0;
  double upper = 0;
  for (const auto& bin : sketch.bins()) {
    all += bin.count;
    CHECK(bin.upper > upper);
    upper = bin.upper;
  }
  CHECK(all == 5);
}

TEST_CASE("R204 a timeline of any length has a bounded number of slices and forgets nothing") {
  Timeline timeline;
  for (int second = 0; second < 1'000; ++second) {
    TimeSlice& slice = timeline.at(second + 0.25);
    ++slice.offered;
    slice.first_token.observe(second < 500 ? 0.010 : 1.0);
  }
  CHECK(timeline.slices().size() <= Timeline::kSlicesMax);
  CHECK(timeline.slice_s() == 16.0);  // 0.5 * 2^5 is the first that fits 1,000 s into 120
  std::uint64_t offered = 0;
  for (const TimeSlice& slice : timeline.slices()) offered += slice.offered;
  CHECK(offered == 1'000);
  CHECK(timeline.slices()[0].offered == 16);
  CHECK(*timeline.slices()[10].first_token.quantile(0.99) == Approx(0.010).epsilon(0.01));
  CHECK(*timeline.slices()[50].first_token.quantile(0.5) == Approx(1.0).epsilon(0.01));
  timeline.at(-1.0).failed = 1;
  CHECK(timeline.slices()[0].failed == 1);
}
