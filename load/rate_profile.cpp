#include "load/rate_profile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "load/spec.hpp"

namespace troupe {
namespace {

constexpr std::string_view kFlag = "--profile";
constexpr std::string_view kExpected = "step:RATE,RATE[,RATE...] or diurnal:MIN,MAX,PERIOD_S";

bool are_rates(const std::vector<double>& rates) {
  return std::all_of(rates.begin(), rates.end(), [](double r) { return r >= 0.0 && r <= RateProfile::kRateMax; }) &&
         std::any_of(rates.begin(), rates.end(), [](double r) { return r > 0.0; });
}

}  // namespace

RateProfile RateProfile::constant(double rate) {
  RateProfile profile;
  profile.steps_ = {rate};
  return profile;
}

Result<RateProfile> RateProfile::parse(std::string_view text, double duration_s) {
  auto spec = parse_spec(kFlag, text);
  if (!spec) return spec.error();
  RateProfile profile;
  if (spec->name == "step" && spec->numbers.size() >= 2) {
    if (!are_rates(spec->numbers)) return wrong_flag(kFlag, text, "rates of 0 to 1e6 requests/s, one of them above 0");
    if (!(duration_s > 0.0)) return wrong_flag(kFlag, text, "--duration beside it: the parts share it");
    profile.steps_ = spec->numbers;
    profile.part_s_ = duration_s / static_cast<double>(profile.steps_.size());
    return profile;
  }
  if (spec->name == "diurnal" && spec->numbers.size() == 3) {
    double min = spec->numbers[0];
    double max = spec->numbers[1];
    if (!are_rates({min, max}) || min > max || !(spec->numbers[2] >= 0.1))
      return wrong_flag(kFlag, text, "0 <= MIN <= MAX, MAX above 0, PERIOD_S at least 0.1");
    profile.form_ = Form::kDiurnal;
    profile.min_ = min;
    profile.max_ = max;
    profile.period_s_ = spec->numbers[2];
    return profile;
  }
  return wrong_flag(kFlag, text, kExpected);
}

double RateProfile::rate(double t_s) const {
  double t = t_s - warmup_s_;
  if (t < 0.0) return first_rate();
  if (form_ == Form::kDiurnal)
    return min_ + (max_ - min_) * 0.5 * (1.0 - std::cos(2.0 * std::numbers::pi * t / period_s_));
  return steps_[std::min(static_cast<std::size_t>(t / part_s_), steps_.size() - 1)];
}

double RateProfile::expected_in_profile(double t) const {
  if (form_ == Form::kDiurnal) {
    double phase = 2.0 * std::numbers::pi / period_s_;
    return min_ * t + (max_ - min_) * 0.5 * (t - std::sin(phase * t) / phase);
  }
  double requests = 0.0;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    double begin = static_cast<double>(i) * part_s_;
    if (t <= begin) break;
    double end = i + 1 == steps_.size() ? t : std::min(t, begin + part_s_);
    requests += steps_[i] * (end - begin);
  }
  return requests;
}

double RateProfile::expected(double t_s) const {
  if (t_s <= warmup_s_) return first_rate() * t_s;
  return first_rate() * warmup_s_ + expected_in_profile(t_s - warmup_s_);
}

double RateProfile::time_of(double requests) const {
  double low = 0.0;
  double high = 1.0;
  constexpr double kForever = 1e9;  // seconds
  while (expected(high) < requests) {
    low = high;
    high *= 2.0;
    if (high > kForever) return std::numeric_limits<double>::infinity();
  }
  for (int i = 0; i < 80 && low < high; ++i) {  // to the last bit; `expected` never falls
    double middle = low + (high - low) * 0.5;
    (expected(middle) < requests ? low : high) = middle;
  }
  return high;
}

}  // namespace troupe
