#pragma once
// The format's numbers of tensor types, by name: what we compute, what we know but do not compute, what is gone.
#include <cstdint>

#include "runtime/result.hpp"
#include "tensor/dtype.hpp"

namespace troupe {

// The error's message is the reason alone, for the caller to put the tensor's name in front.
Result<DType> tensor_type(std::uint32_t number);

}  // namespace troupe
