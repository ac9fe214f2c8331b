#pragma once
// From floats to the blocks of a format: the way back from dequantize.hpp. Each group's scale is searched for, not taken
// from its largest value: of some twenty candidates the one whose codes leave the smallest weighted square error. Only
// + - * / and roundings that IEEE 754 fixes, so the same floats give the same blocks everywhere.
#include <cstddef>

#include "tensor/dtype.hpp"

namespace troupe {

// `count` blocks from finite values.
using QuantizeBlocks = void (*)(const float* values, std::size_t count, std::byte* blocks_out);

// nullptr for types that are read but not written: F32 is, so are F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K,
// Q6_K and IQ4_NL.
QuantizeBlocks quantizer_of(DType type);

}  // namespace troupe
