#pragma once
// How the offered rate changes during a run, as its integral: an arrival process of mean gap 1 on the axis "requests
// expected so far" becomes one of that rate in time (the time-rescaling theorem), whatever the process.
//   constant            --rate R
//   step:A,B,...        equal parts of the run at A, B, ... requests/s
//   diurnal:MIN,MAX,P   from MIN to MAX and back in P seconds, as 1 - cos
#include <string_view>
#include <vector>

#include "runtime/result.hpp"

namespace troupe {

class RateProfile {
 public:
  static constexpr double kRateMax = 1e6;  // requests/s

  static RateProfile constant(double rate);
  // `duration_s` is what the parts of a step profile share; 0 (a run of so many requests) is refused there.
  static Result<RateProfile> parse(std::string_view text, double duration_s);

  // The rate's first value holds for `warmup_s` before the profile begins.
  void delay(double warmup_s) { warmup_s_ = warmup_s; }

  double rate(double t_s) const;
  double expected(double t_s) const;      // requests in [0, t)
  double time_of(double requests) const;  // the inverse; infinite when the rate has ended at 0 for good

 private:
  enum class Form { kSteps, kDiurnal };
  double expected_in_profile(double t_s) const;
  double first_rate() const { return form_ == Form::kSteps ? steps_.front() : min_; }

  Form form_ = Form::kSteps;
  std::vector<double> steps_{1.0};  // the last one holds for ever
  double part_s_ = 1.0;
  double min_ = 0.0, max_ = 0.0, period_s_ = 1.0;
  double warmup_s_ = 0.0;
};

}  // namespace troupe
