#pragma once
// The planted defect of contract 2's test: kernels whose matrix products depend on how many tokens are in the batch.
// With more than one token a sum is split in two halves of its columns that are added at the end: as accurate as the
// right one, and a few bits different. A test that compares every logits row between schedules must see it.
#include "gpu/host/kernels.hpp"

namespace troupe::test {
HostKernels mutated_kernels();  // the best table of this CPU with the defective gemm
}
