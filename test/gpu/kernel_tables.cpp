#include "test/gpu/kernel_tables.hpp"

#if defined(TROUPE_EMULATED)
namespace troupe {
extern const HostKernels kEmulatedAvxVnniKernels;
extern const HostKernels kEmulatedAvx512Kernels;
}  // namespace troupe
#endif

namespace troupe::test {
namespace {

const HostKernels* native(const char* name) {
  const auto kernels = select_kernels(name);
  return kernels.ok() ? *kernels : nullptr;
}

#if defined(TROUPE_EMULATED)
HostKernels named(const HostKernels& kernels, const char* name) {
  HostKernels copy = kernels;
  copy.name = name;
  return copy;
}

const HostKernels* emulated_avxvnni() {
  static const HostKernels kernels = named(kEmulatedAvxVnniKernels, "avxvnni, emulated");
  return cpu_features().avx2 ? &kernels : nullptr;
}
const HostKernels* emulated_avx512() {
  static const HostKernels kernels = named(kEmulatedAvx512Kernels, "avx512, emulated");
  return cpu_features().avx2 ? &kernels : nullptr;
}
#elif defined(__x86_64__)
const HostKernels* emulated_avxvnni() { return nullptr; }
const HostKernels* emulated_avx512() { return nullptr; }
#endif

}  // namespace

std::vector<KernelTable> kernel_tables() {
#if defined(__x86_64__)
  return {{"avx2", native("avx2"), nullptr},
          {"avxvnni", native("avxvnni"), emulated_avxvnni()},
          {"avx512", native("avx512"), emulated_avx512()}};
#elif defined(__aarch64__)
  return {{"neon", native("neon"), nullptr}, {"i8mm", native("i8mm"), nullptr}};
#else
  return {};
#endif
}

std::vector<const HostKernels*> tested_kernels() {
  std::vector<const HostKernels*> tested;
  for (const KernelTable& table : kernel_tables()) {
    const HostKernels* const kernels = table.native != nullptr ? table.native : table.emulated;
    if (kernels != nullptr) tested.push_back(kernels);
  }
  return tested;
}

}  // namespace troupe::test
