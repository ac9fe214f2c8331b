#pragma once
// In which order the rows of a file's matrices, and the values of their biases, are packed.
#include <cstddef>
#include <vector>

#include "model/architectures/model_description.hpp"

namespace troupe {

using RowPointers = std::vector<const std::byte*>;
using RowOrder = std::vector<std::uint32_t>;  // output row i is the file's row order[i]

RowOrder file_order(std::size_t rows);
// Of attn_q or attn_k, so that RoPE rotates (p, p + head_dim / 2), whatever the file has.
RowOrder half_split_order(std::size_t rows, std::uint32_t head_dim, RopePairs pairs);

// The other way: of attn_q or attn_k in Hugging Face's order, so that RoPE rotates (2p, 2p + 1).
RowOrder adjacent_order(std::size_t rows, std::uint32_t head_dim);

RowPointers rows_of(const GgufTensor& tensor, const RowOrder& order);
RowPointers rows_of(const GgufTensor& tensor);

}  // namespace troupe
