#pragma once
// Cores this process may use: the affinity mask, bounded by the cgroup's cpu.max (v2) or cpu.cfs_quota_us (v1),
// rounded up, at least 1. And the memory it may use, by the same rule. Both files' contents are handed in in tests.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

// "200000 100000" -> 2, "max 100000" -> nothing, garbage -> nothing.
std::optional<std::uint32_t> cores_of_cpu_max(std::string_view cpu_max);

// The same of cgroup v1's two files: "150000\n", "100000\n" -> 2; a quota of -1 -> nothing.
std::optional<std::uint32_t> cores_of_cfs(std::string_view quota_us, std::string_view period_us);
// Of memory.max or memory.limit_in_bytes; "max" and v1's way to say so, a number near 2^63, are nothing.
std::optional<std::uint64_t> bytes_of_memory_max(std::string_view memory_max);
inline constexpr std::uint64_t kNoMemoryLimit = std::uint64_t{1} << 60U;
// "MemAvailable:  1024 kB" of /proc/meminfo, in bytes.
std::optional<std::uint64_t> available_of_meminfo(std::string_view meminfo);
// From /proc/self/cgroup: the process's directory and all above it, "" last. v2's line has no controller name.
std::vector<std::string> cgroup_directories(std::string_view memberships, std::string_view controller);

std::uint32_t allowed_cores();
std::uint64_t allowed_memory_bytes();  // the smaller of the cgroup's limit and what the machine has available now

}  // namespace troupe
