#pragma once
// The tables of kernels of this architecture, and how each can run in a test: on the CPU itself, or with emulated
// instructions (SIMDe, for what x86 CPUs may lack), or not at all, which a test has to say.
#include <vector>

#include "gpu/host/kernels.hpp"

namespace troupe::test {

struct KernelTable {
  const char* name;             // what TROUPE_ISA calls it
  const HostKernels* native;    // nullptr: this CPU lacks its instructions
  const HostKernels* emulated;  // nullptr: there is no emulation of it, or the CPU lacks AVX2, which that needs
};
std::vector<KernelTable> kernel_tables();  // all but the portable one

// Each of them that can run, natively where it can.
std::vector<const HostKernels*> tested_kernels();

}  // namespace troupe::test
