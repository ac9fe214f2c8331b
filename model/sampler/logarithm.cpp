#include "model/sampler/logarithm.hpp"

namespace troupe {

double exact_ln(double x) {
  // x = m * 2^e with m in [1/sqrt 2, sqrt 2]; both scalings are exact.
  int exponent = 0;
  for (; x > 1.4142135623730951; x *= 0.5) ++exponent;
  for (; x < 0.7071067811865476; x *= 2.0) --exponent;
  // ln m = 2 artanh s, s = (m-1)/(m+1), |s| <= 0.1716: 13 terms of the odd series leave less than 1e-20.
  double s = (x - 1.0) / (x + 1.0);
  double square = s * s;
  double sum = 0.0;
  for (int k = 25; k >= 1; k -= 2) sum = sum * square + 1.0 / k;
  return 2.0 * (s * sum) + exponent * 0.6931471805599453;
}

}  // namespace troupe
