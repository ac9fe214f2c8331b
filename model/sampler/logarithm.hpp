#pragma once
// The natural logarithm from + - * / in one fixed order: the same bits with every C library.
namespace troupe {

double exact_ln(double x);  // x > 0 and finite; absolute error below 1e-15 * (1 + |ln x|)

}  // namespace troupe
