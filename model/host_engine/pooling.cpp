#include "model/host_engine/pooling.hpp"

#include <algorithm>
#include <cmath>

namespace troupe {

void add_rows(const float* x, std::size_t stride, std::uint32_t rows, std::uint32_t columns, float* sum) {
  for (std::uint32_t row = 0; row < rows; ++row, x += stride)
    for (std::uint32_t i = 0; i < columns; ++i) sum[i] = sum[i] + x[i];
}

bool unit_vector(const float* sum, std::uint32_t count, std::uint32_t columns, float* out) {
  const auto divisor = static_cast<float>(count);
  double squares = 0.0;
  for (std::uint32_t i = 0; i < columns; ++i) {
    out[i] = sum[i] / divisor;
    squares += static_cast<double>(out[i]) * static_cast<double>(out[i]);
  }
  if (!std::isfinite(squares)) return false;
  if (squares == 0.0) return true;
  double length = std::sqrt(squares);
  for (std::uint32_t i = 0; i < columns; ++i) out[i] = static_cast<float>(static_cast<double>(out[i]) / length);
  return true;
}

bool SumBooks::book(const StepRow& row) {
  Book& book = books_[row.sum];
  if (book.step == step_) return false;
  if (row.position > 0 && (book.sequence != row.sequence || book.positions != row.position)) return false;
  book = {row.sequence, row.position + row.tokens.count, step_};
  return true;
}

}  // namespace troupe
