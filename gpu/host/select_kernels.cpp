#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include "gpu/host/kernels.hpp"
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace troupe {
namespace {

constexpr double kLog2E = 1.4426950408889634;

struct Candidate {
  const HostKernels& kernels;
  bool available;
};

// Best last.
std::span<const Candidate> candidates() {
#if defined(__x86_64__)
  static const std::array all = {
      Candidate{kPortableKernels, true},
      Candidate{kAvx2Kernels,
                __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")},
      Candidate{kAvx512Kernels, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                                    __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma") &&
                                    __builtin_cpu_supports("f16c")},
  };
#elif defined(__aarch64__)
  static const std::array all = {Candidate{kPortableKernels, true},
                                 Candidate{kNeonKernels, (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0}};
#else
  static const std::array all = {Candidate{kPortableKernels, true}};
#endif
  return all;
}

}  // namespace

Result<const HostKernels*> select_kernels(std::string_view forced) {
  const HostKernels* best = nullptr;
  std::string available;
  for (const Candidate& candidate : candidates()) {
    if (!candidate.available) continue;
    if (forced == candidate.kernels.name) return &candidate.kernels;
    best = &candidate.kernels;
    available += available.empty() ? "" : ", ";
    available += candidate.kernels.name;
  }
  if (forced.empty()) return best;
  return Error{ErrorCode::kConfiguration, "TROUPE_ISA is '" + std::string(forced) + "'; this CPU has: " + available, "",
               0};
}

Result<const HostKernels*> select_kernels_from_environment() {
  const char* forced = std::getenv("TROUPE_ISA");
  return select_kernels(forced == nullptr ? "" : forced);
}

float score_scale(std::uint32_t head_dim, double model_scale, KvType type) {
  const double scale = model_scale > 0.0 ? model_scale : 1.0 / std::sqrt(static_cast<double>(head_dim));
  return static_cast<float>(scale * kLog2E / (type == KvType::kInt8 ? hadamard_block(head_dim) : 1));
}

SoftCap score_cap(double cap) {
  if (cap == 0.0) return {};
  return {static_cast<float>(2.0 / cap), static_cast<float>(cap * kLog2E)};
}

SoftCap logit_cap(double cap) {
  if (cap == 0.0) return {};
  return {static_cast<float>(2.0 * kLog2E / cap), static_cast<float>(cap)};
}

}  // namespace troupe
