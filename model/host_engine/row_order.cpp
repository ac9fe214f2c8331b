#include "model/host_engine/row_order.hpp"

namespace troupe {

RowPointers rows_of(const GgufTensor& tensor) {
  RowPointers rows(tensor.rows());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = tensor.row(i);
  return rows;
}

RowPointers half_split_rows(const GgufTensor& tensor, std::uint32_t head_dim, RopePairs pairs) {
  RowPointers rows = rows_of(tensor);
  if (pairs == RopePairs::kHalfSplit) return rows;
  std::size_t half = head_dim / 2;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::size_t head = i / head_dim, within = i % head_dim;
    rows[i] = tensor.row(head * head_dim + 2 * (within % half) + within / half);
  }
  return rows;
}

}  // namespace troupe
