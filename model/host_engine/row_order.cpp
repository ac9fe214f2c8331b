#include "model/host_engine/row_order.hpp"

#include <numeric>

namespace troupe {

RowOrder file_order(std::size_t rows) {
  RowOrder order(rows);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

RowOrder half_split_order(std::size_t rows, std::uint32_t head_dim, RopePairs pairs) {
  RowOrder order = file_order(rows);
  if (pairs == RopePairs::kHalfSplit) return order;
  std::uint32_t half = head_dim / 2;
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    std::uint32_t head = i / head_dim, within = i % head_dim;
    order[i] = head * head_dim + 2 * (within % half) + within / half;
  }
  return order;
}

RowOrder adjacent_order(std::size_t rows, std::uint32_t head_dim) {
  RowOrder order = file_order(rows);
  std::uint32_t half = head_dim / 2;
  for (std::uint32_t i = 0; i < order.size(); ++i) {
    std::uint32_t head = i / head_dim, within = i % head_dim;
    order[i] = head * head_dim + within / 2 + within % 2 * half;
  }
  return order;
}

RowPointers rows_of(const GgufTensor& tensor, const RowOrder& order) {
  RowPointers rows(order.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = tensor.row(order[i]);
  return rows;
}

RowPointers rows_of(const GgufTensor& tensor) { return rows_of(tensor, file_order(tensor.rows())); }

}  // namespace troupe
