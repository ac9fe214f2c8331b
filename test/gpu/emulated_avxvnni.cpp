// The kernels of AVX-VNNI with emulated instructions: the product's own file, under another name.
#include "test/gpu/emulated_intrinsics.hpp"

#define kAvxVnniKernels kEmulatedAvxVnniKernels
#include "gpu/host/kernels_avxvnni.cpp"  // NOLINT(bugprone-suspicious-include)
