#pragma once
// What this CPU, under this operating system, can execute of what the tables of kernels ask for.

namespace troupe {

struct CpuFeatures {         // false: it has not, or is of another architecture
  bool avx2 = false;         // AVX2, FMA and F16C
  bool avx_vnni = false;     // 4-wide dot products of 256 bits without AVX-512
  bool avx512 = false;       // F, BW, DQ, VL, VNNI and the above three
  bool dot_product = false;  // SDOT
  bool i8mm = false;         // USDOT and USMMLA
};
const CpuFeatures& cpu_features();

}  // namespace troupe
