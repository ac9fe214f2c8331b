// Which CPUs share a core, from what the kernel says in /sys.
#include "runtime/cpu_topology.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/cpu_count.hpp"

using namespace troupe;

TEST_CASE("CPU lists are read as the kernel writes them, and garbage ends them") {
  using List = std::vector<std::uint32_t>;
  CHECK(parse_cpu_list("0-3,8") == List{0, 1, 2, 3, 8});
  CHECK(parse_cpu_list("5") == List{5});
  CHECK(parse_cpu_list("").empty());
  CHECK(parse_cpu_list("x").empty());
  CHECK(parse_cpu_list("1,x,3") == List{1});
  CHECK(parse_cpu_list("3-1").empty());
  CHECK(parse_cpu_list("0-4294967295").empty());
  CHECK(parse_cpu_list("0-99999999").empty());
}

TEST_CASE("threads get a core each, node by node, before any core gets a second one") {
  // Two nodes of two cores with two threads each, as Linux numbers them: siblings are 4 apart.
  std::vector<LogicalCpu> cpus;
  for (std::uint32_t cpu = 0; cpu < 8; ++cpu) cpus.push_back({cpu, cpu % 4, cpu % 4 / 2});
  std::vector<std::uint32_t> order;
  for (const LogicalCpu& cpu : pinning_order(cpus)) order.push_back(cpu.cpu);
  CHECK(order == std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7});
  // Neighbours as siblings.
  cpus.clear();
  for (std::uint32_t cpu = 0; cpu < 4; ++cpu) cpus.push_back({cpu, cpu / 2 * 2, 0});
  order.clear();
  for (const LogicalCpu& cpu : pinning_order(cpus)) order.push_back(cpu.cpu);
  CHECK(order == std::vector<std::uint32_t>{0, 2, 1, 3});
  CHECK(distinct_cores(cpus) == 2);
}

TEST_CASE("the CPUs this process may use are those of its affinity mask") {
  std::vector<LogicalCpu> cpus = allowed_cpus();
  CHECK(cpus.size() >= allowed_cores());
  CHECK(distinct_cores(cpus) >= 1);
  auto nowhere = allowed_cpus("/nonexistent");  // without /sys every CPU is a core
  CHECK(nowhere.size() == cpus.size());
  CHECK(distinct_cores(nowhere) == nowhere.size());
}

TEST_CASE("siblings and nodes are read from the kernel's files") {
  auto sys = std::filesystem::temp_directory_path() / ("troupe_sys_" + std::to_string(getpid()));
  auto write = [&](const std::string& path, const std::string& text) {
    std::filesystem::create_directories((sys / path).parent_path());
    std::ofstream(sys / path) << text << "\n";
  };
  std::uint32_t first = allowed_cpus().front().cpu;
  write("node/online", "0-1");
  write("node/node0/cpulist", "");
  write("node/node1/cpulist", std::to_string(first));
  write("cpu/cpu" + std::to_string(first) + "/topology/thread_siblings_list", "7," + std::to_string(first));
  auto cpus = allowed_cpus(sys.string());
  auto cpu = std::find_if(cpus.begin(), cpus.end(), [&](const LogicalCpu& c) { return c.cpu == first; });
  REQUIRE(cpu != cpus.end());
  CHECK(cpu->node == 1);
  CHECK(cpu->core == std::min(7U, first));
  std::filesystem::remove_all(sys);
}
