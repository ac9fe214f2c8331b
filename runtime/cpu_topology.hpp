#pragma once
// The logical CPUs this process may run on, and which of them share a core: two of one core are no two cores for
// kernels that keep its units busy.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

struct LogicalCpu {
  std::uint32_t cpu = 0;   // the kernel's number
  std::uint32_t core = 0;  // the lowest number among the CPUs of its core
  std::uint32_t node = 0;  // of memory
};

// "0-3,8" -> 0 1 2 3 8; garbage ends the list.
std::vector<std::uint32_t> parse_cpu_list(std::string_view text);

// In the order in which threads are best pinned: one of each core first, a node after the other, then the siblings.
std::vector<LogicalCpu> pinning_order(std::vector<LogicalCpu> cpus);

// By the affinity mask and /sys; where /sys says nothing every CPU is a core of its own, on node 0.
// `sys`: the directory of devices/system, for tests.
std::vector<LogicalCpu> allowed_cpus(const std::string& sys = "/sys/devices/system");
std::uint32_t distinct_cores(const std::vector<LogicalCpu>& cpus);

}  // namespace troupe
