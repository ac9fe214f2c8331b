#pragma once
// In which order the rows of a file's matrices are packed.
#include <cstddef>
#include <vector>

#include "model/architectures/model_description.hpp"

namespace troupe {

using RowPointers = std::vector<const std::byte*>;

RowPointers rows_of(const GgufTensor& tensor);

// Rows of attn_q or attn_k so that RoPE rotates (p, p + head_dim / 2), whatever the file has.
RowPointers half_split_rows(const GgufTensor& tensor, std::uint32_t head_dim, RopePairs pairs);

}  // namespace troupe
