#include "runtime/cpu_count.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace troupe {
namespace {

constexpr std::size_t kFileBytesMax = 64U << 10U;  // the kernel's small text files
constexpr int kCpusMax = 1 << 16;                  // cores the affinity mask may speak of

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::string text(kFileBytesMax, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

std::string_view next_word(std::string_view& text) {
  constexpr std::string_view kBlank = " \t\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  std::string_view word = text.substr(0, text.find_first_of(kBlank));
  text.remove_prefix(word.size());
  return word;
}

std::optional<std::uint64_t> number(std::string_view word) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) return std::nullopt;
  return value;
}

std::optional<std::uint32_t> cores_of(std::string_view quota_us, std::string_view period_us) {
  auto quota = number(quota_us);
  auto period = number(period_us);
  if (!quota || !period || *quota == 0 || *period == 0) return std::nullopt;
  std::uint64_t cores = *quota / *period + (*quota % *period != 0 ? 1 : 0);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(cores, kCpusMax));
}

std::uint32_t cores_of_affinity() {
  for (int cpus = CPU_SETSIZE; cpus <= kCpusMax; cpus *= 2) {  // the kernel refuses a mask shorter than its own
    cpu_set_t* mask = CPU_ALLOC(static_cast<std::size_t>(cpus));
    if (mask == nullptr) break;
    std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    int count = sched_getaffinity(0, bytes, mask) == 0 ? CPU_COUNT_S(bytes, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) return static_cast<std::uint32_t>(count);
  }
  return static_cast<std::uint32_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
}

// The smallest answer of `ask` in the process's cgroup and those above it, for v2 and then for v1's `controller`.
template <class Ask2, class Ask1>
auto smallest_of_cgroups(std::string_view controller, Ask2 ask2, Ask1 ask1) -> decltype(ask2(std::string())) {
  decltype(ask2(std::string())) smallest;
  auto consider = [&](auto answer) {
    if (answer && (!smallest || *answer < *smallest)) smallest = *answer;
  };
  std::string memberships = contents("/proc/self/cgroup");
  for (const std::string& directory : cgroup_directories(memberships, "")) consider(ask2("/sys/fs/cgroup" + directory));
  for (const std::string& directory : cgroup_directories(memberships, controller)) {
    consider(ask1("/sys/fs/cgroup/" + std::string(controller) + directory));
  }
  return smallest;
}

}  // namespace

std::optional<std::uint32_t> cores_of_cpu_max(std::string_view cpu_max) {
  std::string_view quota = next_word(cpu_max);
  std::string_view period = next_word(cpu_max);
  return next_word(cpu_max).empty() ? cores_of(quota, period) : std::nullopt;
}

std::optional<std::uint32_t> cores_of_cfs(std::string_view quota_us, std::string_view period_us) {
  return cores_of(next_word(quota_us), next_word(period_us));
}

std::optional<std::uint64_t> bytes_of_memory_max(std::string_view memory_max) {
  auto bytes = number(next_word(memory_max));
  return bytes && *bytes < kNoMemoryLimit ? bytes : std::nullopt;
}

std::optional<std::uint64_t> available_of_meminfo(std::string_view meminfo) {
  constexpr std::string_view kName = "MemAvailable:";
  std::size_t at = meminfo.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  meminfo.remove_prefix(at + kName.size());
  auto kib = number(next_word(meminfo));
  return kib && *kib < kNoMemoryLimit / 1024 ? std::optional(*kib * 1024) : std::nullopt;
}

std::vector<std::string> cgroup_directories(std::string_view memberships, std::string_view controller) {
  std::vector<std::string> directories;
  while (!memberships.empty()) {
    std::string_view line = memberships.substr(0, memberships.find('\n'));
    memberships.remove_prefix(std::min(line.size() + 1, memberships.size()));
    std::size_t first = line.find(':');
    std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    std::string names = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    if (names.find("," + std::string(controller) + ",") == std::string::npos) continue;
    std::string path(line.substr(second + 1));
    while (path.size() > 1) {
      directories.push_back(path);
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
    directories.emplace_back();
    break;
  }
  return directories;
}

std::uint32_t allowed_cores() {
  auto quota = smallest_of_cgroups(
      "cpu", [](const std::string& directory) { return cores_of_cpu_max(contents(directory + "/cpu.max")); },
      [](const std::string& directory) {
        return cores_of_cfs(contents(directory + "/cpu.cfs_quota_us"), contents(directory + "/cpu.cfs_period_us"));
      });
  std::uint32_t cores = cores_of_affinity();
  return std::max(1U, quota ? std::min(cores, *quota) : cores);
}

std::uint64_t allowed_memory_bytes() {
  auto limit = smallest_of_cgroups(
      "memory", [](const std::string& directory) { return bytes_of_memory_max(contents(directory + "/memory.max")); },
      [](const std::string& directory) { return bytes_of_memory_max(contents(directory + "/memory.limit_in_bytes")); });
  auto available = available_of_meminfo(contents("/proc/meminfo"));
  return std::min(limit.value_or(kNoMemoryLimit), available.value_or(kNoMemoryLimit));
}

}  // namespace troupe
