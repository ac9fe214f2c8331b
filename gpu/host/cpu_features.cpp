#include "gpu/host/cpu_features.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace troupe {
namespace {

#if defined(__x86_64__)
// Not among the names every compiler's __builtin_cpu_supports knows. Bits are of Intel's manual, CPUID; the registers
// are AVX's, which __builtin_cpu_supports("avx2") asks the operating system for.
bool has_halves() {
  constexpr unsigned kLeaf = 1, kBit = 1U << 29;  // F16C, of ECX
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(kLeaf, &a, &b, &c, &d) != 0 && (c & kBit) != 0;
}
bool has_avx_vnni() {
  constexpr unsigned kLeaf = 7, kSubleaf = 1, kBit = 1U << 4;  // of EAX
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(kLeaf, kSubleaf, &a, &b, &c, &d) != 0 && (a & kBit) != 0;
}

CpuFeatures detect() {
  CpuFeatures cpu;
  cpu.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_halves();
  cpu.avx_vnni = __builtin_cpu_supports("avx2") && has_avx_vnni();
  cpu.avx512 = cpu.avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512vnni");
  return cpu;
}
#elif defined(__aarch64__)
CpuFeatures detect() {
  CpuFeatures cpu;
  cpu.dot_product = (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
  cpu.i8mm = (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0;
  return cpu;
}
#else
CpuFeatures detect() { return {}; }
#endif

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

}  // namespace troupe
