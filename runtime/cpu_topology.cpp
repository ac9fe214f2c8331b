#include "runtime/cpu_topology.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

namespace troupe {
namespace {

constexpr std::uint32_t kCpusMax = 1U << 16;

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::vector<std::uint32_t> affinity() {
  std::vector<std::uint32_t> cpus;
  for (std::uint32_t size = CPU_SETSIZE; size <= kCpusMax && cpus.empty(); size *= 2) {  // no shorter than the kernel's
    cpu_set_t* mask = CPU_ALLOC(size);
    if (mask == nullptr) break;
    if (sched_getaffinity(0, CPU_ALLOC_SIZE(size), mask) == 0) {
      for (std::uint32_t cpu = 0; cpu < size; ++cpu)
        if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(size), mask)) cpus.push_back(cpu);
    }
    CPU_FREE(mask);
  }
  return cpus;
}

}  // namespace

std::vector<std::uint32_t> parse_cpu_list(std::string_view text) {
  std::vector<std::uint32_t> cpus;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    std::uint32_t first = 0, last = 0;
    auto [rest, failed] = std::from_chars(at, end, first);
    if (failed != std::errc{} || first >= kCpusMax) break;
    last = first;
    if (rest != end && *rest == '-') {
      auto [more, wrong] = std::from_chars(rest + 1, end, last);
      if (wrong != std::errc{} || last < first || last >= kCpusMax) break;
      rest = more;
    }
    for (std::uint32_t cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    if (rest == end || *rest != ',') break;
    at = rest + 1;
  }
  return cpus;
}

std::vector<LogicalCpu> pinning_order(std::vector<LogicalCpu> cpus) {
  std::sort(cpus.begin(), cpus.end(), [](const LogicalCpu& a, const LogicalCpu& b) { return a.cpu < b.cpu; });
  std::map<std::uint32_t, std::uint32_t> seen;  // CPUs of a core so far
  std::vector<std::pair<std::uint32_t, LogicalCpu>> ranked;
  ranked.reserve(cpus.size());
  for (const LogicalCpu& cpu : cpus) ranked.emplace_back(seen[cpu.core]++, cpu);
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first, a.second.node) < std::tie(b.first, b.second.node);
  });
  for (std::size_t i = 0; i < cpus.size(); ++i) cpus[i] = ranked[i].second;
  return cpus;
}

std::vector<LogicalCpu> allowed_cpus(const std::string& sys) {
  std::map<std::uint32_t, std::uint32_t> node_of;
  for (std::uint32_t node : parse_cpu_list(first_line(sys + "/node/online"))) {
    for (std::uint32_t cpu : parse_cpu_list(first_line(sys + "/node/node" + std::to_string(node) + "/cpulist")))
      node_of[cpu] = node;
  }
  std::vector<LogicalCpu> cpus;
  for (std::uint32_t cpu : affinity()) {
    auto siblings =
        parse_cpu_list(first_line(sys + "/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list"));
    auto node = node_of.find(cpu);
    cpus.push_back({cpu, siblings.empty() ? cpu : *std::min_element(siblings.begin(), siblings.end()),
                    node == node_of.end() ? 0 : node->second});
  }
  return pinning_order(std::move(cpus));
}

std::uint32_t distinct_cores(const std::vector<LogicalCpu>& cpus) {
  std::set<std::uint32_t> cores;
  for (const LogicalCpu& cpu : cpus) cores.insert(cpu.core);
  return static_cast<std::uint32_t>(cores.size());
}

}  // namespace troupe
