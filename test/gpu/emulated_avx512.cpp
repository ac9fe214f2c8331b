// The kernels of AVX-512 with emulated instructions: the product's own file, under another name.
#include "test/gpu/emulated_intrinsics.hpp"

#define kAvx512Kernels kEmulatedAvx512Kernels
#include "gpu/host/kernels_avx512.cpp"  // NOLINT(bugprone-suspicious-include)
