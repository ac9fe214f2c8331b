// Expected values are the textbook's: moments of the distributions, areas under the rate.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "load/arrivals.hpp"

using namespace troupe;

namespace {

struct Moments {
  double mean = 0, cv = 0;
};

Moments gaps_of(ArrivalProcess process, double cv, double rate, int count) {
  Arrivals arrivals(process, cv, RateProfile::constant(rate), 7);
  double before = 0, sum = 0, squares = 0;
  for (int i = 0; i < count; ++i) {
    double at = arrivals.next_s();
    REQUIRE(at >= before);
    sum += at - before;
    squares += (at - before) * (at - before);
    before = at;
  }
  double mean = sum / count;
  return {mean, std::sqrt(std::max(0.0, squares / count - mean * mean)) / mean};
}

int arrivals_in(const RateProfile& profile, double begin_s, double end_s) {
  Arrivals arrivals(ArrivalProcess::kUniform, 1.0, profile, 1);
  int count = 0;
  for (double at = arrivals.next_s(); at < end_s; at = arrivals.next_s()) count += at >= begin_s ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("R196 arrivals have the rate and the burstiness they are asked for") {
  // The mean of 20,000 gaps is within 5 standard errors: 5 * cv / sqrt(20000) = 3.5 % at cv 1.
  Moments poisson = gaps_of(ArrivalProcess::kPoisson, 1.0, 50.0, 20'000);
  CHECK(poisson.mean == Approx(0.02).epsilon(0.035));
  CHECK(poisson.cv == Approx(1.0).epsilon(0.05));
  Moments bursty = gaps_of(ArrivalProcess::kGamma, 3.0, 50.0, 200'000);
  CHECK(bursty.mean == Approx(0.02).epsilon(0.035));
  CHECK(bursty.cv == Approx(3.0).epsilon(0.05));
  Moments smooth = gaps_of(ArrivalProcess::kGamma, 0.25, 50.0, 20'000);
  CHECK(smooth.mean == Approx(0.02).epsilon(0.01));
  CHECK(smooth.cv == Approx(0.25).epsilon(0.05));
  Moments even = gaps_of(ArrivalProcess::kUniform, 1.0, 50.0, 1'000);
  CHECK(even.mean == Approx(0.02).epsilon(1e-6));
  CHECK(even.cv < 1e-4);
}

TEST_CASE("arrivals are the same for a seed and others for another") {
  auto first = [](std::uint64_t seed) {
    return Arrivals(ArrivalProcess::kPoisson, 1.0, RateProfile::constant(1.0), seed).next_s();
  };
  CHECK(first(1) == first(1));
  CHECK(first(1) != first(2));
}

TEST_CASE("a step profile shares the duration in equal parts") {
  RateProfile profile = *RateProfile::parse("step:2,20,0,4", 40.0);
  CHECK(profile.rate(5.0) == 2.0);
  CHECK(profile.rate(15.0) == 20.0);
  CHECK(profile.rate(25.0) == 0.0);
  CHECK(profile.expected(10.0) == Approx(20.0));
  CHECK(profile.expected(40.0) == Approx(20.0 + 200.0 + 0.0 + 40.0));
  CHECK(profile.time_of(20.0 + 100.0) == Approx(15.0));
  CHECK(arrivals_in(profile, 0.0, 10.0 - 1e-6) == 19);  // at 0.5, 1.0, ... 9.5; the one at 10.0 is the next part's
  CHECK(arrivals_in(profile, 20.1, 30.0) == 0);
  profile.delay(5.0);  // a warm-up at the first rate
  CHECK(profile.rate(4.0) == 2.0);
  CHECK(profile.rate(14.0) == 2.0);
  CHECK(profile.rate(16.0) == 20.0);
  CHECK(profile.expected(15.0) == Approx(30.0));
}

TEST_CASE("a diurnal profile goes from its least to its most and back") {
  RateProfile profile = *RateProfile::parse("diurnal:2,10,60", 0.0);
  CHECK(profile.rate(0.0) == Approx(2.0));
  CHECK(profile.rate(30.0) == Approx(10.0));
  CHECK(profile.rate(60.0) == Approx(2.0));
  CHECK(profile.expected(60.0) == Approx(6.0 * 60.0));  // the mean is the middle
  CHECK(profile.expected(15.0) == Approx(15.0 * 6.0 - 4.0 * 60.0 / (2.0 * 3.14159265358979)));
  CHECK(profile.time_of(profile.expected(17.0)) == Approx(17.0));
}

TEST_CASE("a rate that ends at 0 has a last arrival") {
  RateProfile profile = *RateProfile::parse("step:1,0", 20.0);
  CHECK(profile.time_of(9.0) == Approx(9.0));
  CHECK(std::isinf(profile.time_of(10.5)));
}

TEST_CASE("profiles and processes that make no sense are refused by name") {
  for (const char* text : {"", "step", "step:1", "step:1,-1", "step:0,0", "step:1,2e6", "step:1,nan", "step:1,2x",
                           "step:1,", "diurnal:1,2", "diurnal:3,2,60", "diurnal:1,2,0", "diurnal:0,0,5", "sine:1,2"}) {
    auto parsed = RateProfile::parse(text, 10.0);
    INFO(text);
    REQUIRE(!parsed.ok());
    CHECK(parsed.error().code == ErrorCode::kConfiguration);
    CHECK(parsed.error().message.find("--profile is \"" + std::string(text) + "\"") == 0);
  }
  CHECK(!RateProfile::parse("step:1,2", 0.0).ok());
  CHECK(!parse_arrivals("pareto").ok());
}
