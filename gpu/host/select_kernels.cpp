#include <array>
#include <cmath>
#include <cstdlib>
#include <string>

#include "gpu/host/kernels.hpp"

namespace troupe {
namespace {

constexpr double kLog2E = 1.4426950408889634;

struct Candidate {
  const HostKernels* kernels;
  bool available;
};

// Best last.
auto candidates(const CpuFeatures& cpu) {
#if defined(__x86_64__)
  return std::array{Candidate{&kPortableKernels, true}, Candidate{&kAvx2Kernels, cpu.avx2},
                    Candidate{&kAvxVnniKernels, cpu.avx2 && cpu.avx_vnni}, Candidate{&kAvx512Kernels, cpu.avx512}};
#elif defined(__aarch64__)
  return std::array{Candidate{&kPortableKernels, true}, Candidate{&kNeonKernels, cpu.dot_product},
                    Candidate{&kI8mmKernels, cpu.dot_product && cpu.i8mm}};
#else
  (void)cpu;
  return std::array{Candidate{&kPortableKernels, true}};
#endif
}

}  // namespace

Result<const HostKernels*> select_kernels(std::string_view forced, const CpuFeatures& cpu) {
  const HostKernels* best = nullptr;
  std::string available;
  for (const Candidate& candidate : candidates(cpu)) {
    if (!candidate.available) continue;
    if (forced == candidate.kernels->name) return candidate.kernels;
    best = candidate.kernels;
    available += available.empty() ? "" : ", ";
    available += candidate.kernels->name;
  }
  if (forced.empty()) return best;
  return Error{ErrorCode::kConfiguration, "TROUPE_ISA is '" + std::string(forced) + "'; this CPU has: " + available, "",
               0};
}

Result<const HostKernels*> select_kernels(std::string_view forced) { return select_kernels(forced, cpu_features()); }

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
