#include "gpu/host/rope_table.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "tensor/shape.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kPositionsMax = 1U << 24;  // beyond it k * kHalfPiHead below would no longer be exact
constexpr double kLn2 = 0.6931471805599453;

// Natural logarithm of x > 0: x = m * 2^e with m near 1, then the series of artanh.
double exact_ln(double x) {
  int exponent = 0;
  for (; x > 1.4142135623730951; x *= 0.5) ++exponent;
  for (; x < 0.7071067811865476; x *= 2.0) --exponent;
  const double s = (x - 1.0) / (x + 1.0);
  const double z = s * s;
  double p = 0.0;
  for (int k = 25; k >= 1; k -= 2) p = p * z + 1.0 / k;
  return 2.0 * (s * p) + exponent * kLn2;
}

// e^x for x <= 0: halvings, then the Taylor series on (-0.5, 0.2].
double exact_exp(double x) {
  int halvings = 0;
  for (; x < -0.5; x += kLn2) ++halvings;
  double p = 1.0;
  for (int k = 18; k >= 1; --k) p = 1.0 + p * x / k;
  for (; halvings > 0; --halvings) p *= 0.5;
  return p;
}

struct SinCos {
  double sin;
  double cos;
};

// Of an angle >= 0: reduced by multiples of pi/2 (whose head has 32 bits, so k * head is exact), then Taylor.
SinCos exact_sin_cos(double angle) {
  constexpr double kHalfPiHead = 0x1.921fb544p+0;
  constexpr double kHalfPiTail = 0x1.0b4611a626331p-34;
  constexpr double kSin[] = {1.0 / 6,        1.0 / 120,          1.0 / 5040,           1.0 / 362880,
                             1.0 / 39916800, 1.0 / 6227020800.0, 1.0 / 1307674368000.0};
  constexpr double kCos[] = {1.0 / 2,       1.0 / 24,        1.0 / 720,           1.0 / 40320,
                             1.0 / 3628800, 1.0 / 479001600, 1.0 / 87178291200.0, 1.0 / 20922789888000.0};
  const auto quarter = static_cast<std::int64_t>(angle * 0.6366197723675814 + 0.5);
  const double k = static_cast<double>(quarter);
  const double r = (angle - k * kHalfPiHead) - k * kHalfPiTail;
  const double z = r * r;
  double sin_series = 0.0;
  double cos_series = 0.0;
  for (int i = 6; i >= 0; --i) sin_series = kSin[i] - sin_series * z;
  for (int i = 7; i >= 0; --i) cos_series = kCos[i] - cos_series * z;
  const double sin = r - r * z * sin_series;
  const double cos = 1.0 - z * cos_series;
  switch (quarter & 3) {
    case 0:
      return {sin, cos};
    case 1:
      return {cos, -sin};
    case 2:
      return {-sin, -cos};
    default:
      return {-cos, sin};
  }
}

Error bad(const std::string& what) { return {ErrorCode::kModelFile, "the rotary embedding's " + what, "", 0}; }
bool is_positive(double x) { return std::isfinite(x) && x > 0.0; }

Status check(const RopeParameters& parameters) {
  if (parameters.dims == 0 || parameters.dims % 2 != 0) {
    return bad("dimension count is " + std::to_string(parameters.dims) + "; it must be even and not 0");
  }
  if (parameters.positions == 0 || parameters.positions > kPositionsMax) {
    return bad("context length is " + std::to_string(parameters.positions) + "; it must be 1 to " +
               std::to_string(kPositionsMax));
  }
  if (!is_positive(parameters.base) || parameters.base < 1.0) return bad("base is below 1 or not finite");
  if (!is_positive(parameters.linear_factor)) return bad("linear factor is not positive");
  if (!is_positive(parameters.magnitude)) return bad("magnitude is not positive");
  if (!parameters.divisors.empty() && parameters.divisors.size() != parameters.dims / 2) {
    return bad("list of divisors has " + std::to_string(parameters.divisors.size()) + " entries instead of " +
               std::to_string(parameters.dims / 2));
  }
  for (const double divisor : parameters.divisors) {
    // Below 1 a frequency could leave the range in which the reduction by pi/2 is exact.
    if (!std::isfinite(divisor) || divisor < 0x1p-6) return bad("divisors contain one that is too small");
  }
  return {};
}

}  // namespace

std::vector<double> yarn_divisors(std::uint32_t dims, double base, const YarnScaling& scaling) {
  constexpr double kTwoPi = 6.283185307179586;
  constexpr double kShortestRamp = 0.001;
  // The pair that turns `turns` times within the original context, as a real number.
  const auto pair_of = [&](double turns) {
    return dims * exact_ln(scaling.original_context / (turns * kTwoPi)) / (2.0 * exact_ln(base));
  };
  const double begin = std::max(0.0, std::floor(pair_of(scaling.beta_fast)));
  const double end = std::min(dims - 1.0, std::ceil(pair_of(scaling.beta_slow)));
  std::vector<double> divisors;
  for (std::uint32_t i = 0; i < dims / 2; ++i) {
    const double kept = 1.0 - std::clamp((i - begin) / std::max(kShortestRamp, end - begin), 0.0, 1.0);
    divisors.push_back(1.0 / ((1.0 - kept) / scaling.factor + kept));
  }
  return divisors;
}

double yarn_magnitude(double factor) { return 1.0 + 0.1 * exact_ln(factor); }

Result<RopeTable> RopeTable::make(const RopeParameters& parameters) {
  if (const Status status = check(parameters); !status) return status.error();
  const auto bytes = checked_multiply(std::uint64_t{parameters.positions} * sizeof(float), parameters.dims);
  auto storage = Storage::allocate(*bytes);
  if (!storage) return storage.error();
  RopeTable table;
  table.positions_ = parameters.positions;
  table.dims_ = parameters.dims;
  table.storage_ = *std::move(storage);

  const std::uint32_t half = parameters.dims / 2;
  const double ln_base = exact_ln(parameters.base);
  auto* const cells = table.storage_.as<float>();
  for (std::uint32_t i = 0; i < half; ++i) {
    double frequency = exact_exp(-(2.0 * i / parameters.dims) * ln_base);
    if (!parameters.divisors.empty()) frequency /= parameters.divisors[i];
    if (parameters.linear_factor != 1.0) frequency /= parameters.linear_factor;
    for (std::uint32_t position = 0; position < parameters.positions; ++position) {
      const SinCos value = exact_sin_cos(static_cast<double>(position) * frequency);
      float* const row = cells + std::size_t{position} * parameters.dims;
      row[i] = static_cast<float>(value.cos * parameters.magnitude);
      row[half + i] = static_cast<float>(value.sin * parameters.magnitude);
    }
  }
  return table;
}

}  // namespace troupe
