#include "load/length_distribution.hpp"

#include <algorithm>
#include <cmath>

#include "load/spec.hpp"

namespace troupe {
namespace {

bool is_count(double n) { return n >= 1.0 && n <= LengthDistribution::kTokensMax && n == std::floor(n); }

}  // namespace

// Mean and cv of the variable itself give mu and sigma of its logarithm.
LengthDistribution LengthDistribution::log_normal(double mean, double cv) {
  LengthDistribution lengths;
  lengths.form_ = Form::kLogNormal;
  double variance = std::log1p(cv * cv);
  lengths.sigma_ = std::sqrt(variance);
  lengths.mu_ = std::log(mean) - 0.5 * variance;
  return lengths;
}

Result<LengthDistribution> LengthDistribution::parse(Of of, std::string_view text) {
  const char* flag = of == Of::kPrompt ? "--prompt-tokens" : "--output-tokens";
  auto spec = parse_spec(flag, text);
  if (!spec) return spec.error();
  const std::vector<double>& n = spec->numbers;
  if (spec->name == "fixed" && n.size() == 1 && is_count(n[0])) {
    LengthDistribution lengths;
    lengths.min_ = lengths.max_ = static_cast<std::uint32_t>(n[0]);
    return lengths;
  }
  if (spec->name == "uniform" && n.size() == 2 && is_count(n[0]) && is_count(n[1]) && n[0] <= n[1]) {
    LengthDistribution lengths;
    lengths.min_ = static_cast<std::uint32_t>(n[0]);
    lengths.max_ = static_cast<std::uint32_t>(n[1]);
    return lengths;
  }
  if (spec->name == "lognormal" && n.size() == 2 && n[0] >= 1.0 && n[0] <= kTokensMax && n[1] >= 0.0 && n[1] <= 100.0)
    return log_normal(n[0], n[1]);
  if (spec->name == "sharegpt" && n.empty()) {
    LengthDistribution lengths = of == Of::kPrompt ? log_normal(161.0, 1.4) : log_normal(338.0, 1.0);
    lengths.min_ = 4;
    lengths.max_ = 1024;
    return lengths;
  }
  return wrong_flag(flag, text,
                    "fixed:N, uniform:A,B, lognormal:MEAN,CV or sharegpt, with 1 to " + std::to_string(kTokensMax) +
                        " tokens and a CV of 0 to 100");
}

std::uint32_t LengthDistribution::draw(SeededRandom& random) const {
  if (form_ == Form::kUniform) return min_ + static_cast<std::uint32_t>(random.below(std::uint64_t{max_} - min_ + 1));
  double tokens = std::round(std::exp(mu_ + sigma_ * random.normal()));
  return static_cast<std::uint32_t>(std::clamp<double>(tokens, min_, max_));
}

}  // namespace troupe
