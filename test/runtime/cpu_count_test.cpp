#include "runtime/cpu_count.hpp"

#include <catch2/catch.hpp>
#include <thread>

using namespace troupe;

TEST_CASE("cpu.max of a cgroup is read as cores, rounded up") {
  REQUIRE(cores_of_cpu_max("200000 100000\n") == 2);
  REQUIRE(cores_of_cpu_max("150000 100000") == 2);
  REQUIRE(cores_of_cpu_max("1000 100000") == 1);
}

TEST_CASE("cpu.max without limit or with garbage says nothing") {
  for (const char* text : {"max 100000\n", "", "\n", "200000", "200000 0", "0 100000", "-1 100000", "2e5 100000",
                           "200000 100000 7", "99999999999999999999 100000", "200000\0"}) {
    REQUIRE_FALSE(cores_of_cpu_max(text));
  }
}

TEST_CASE("cgroup v1 says the same in two files") {
  REQUIRE(cores_of_cfs("250000\n", "100000\n") == 3);
  REQUIRE_FALSE(cores_of_cfs("-1\n", "100000\n"));
  REQUIRE_FALSE(cores_of_cfs("", ""));
}

TEST_CASE("limits of memory are read in bytes, and no limit in either version's words says nothing") {
  REQUIRE(bytes_of_memory_max("1073741824\n") == 1073741824);
  REQUIRE_FALSE(bytes_of_memory_max("max\n"));
  REQUIRE_FALSE(bytes_of_memory_max("9223372036854771712\n"));
  REQUIRE_FALSE(bytes_of_memory_max(""));
  REQUIRE(available_of_meminfo("MemTotal: 8 kB\nMemAvailable:    1024 kB\n") == 1024 * 1024);
  REQUIRE_FALSE(available_of_meminfo("MemTotal: 8 kB\n"));
  REQUIRE_FALSE(available_of_meminfo("MemAvailable: 18446744073709551615 kB\n"));
}

TEST_CASE("a process is bound by its own cgroup and all above it") {
  using Paths = std::vector<std::string>;
  REQUIRE(cgroup_directories("0::/user.slice/a\n", "") == Paths{"/user.slice/a", "/user.slice", ""});
  REQUIRE(cgroup_directories("0::/\n", "") == Paths{""});
  std::string v1 = "5:memory:/m\n4:cpu,cpuacct:/docker/x\n0::/\n";
  REQUIRE(cgroup_directories(v1, "cpu") == Paths{"/docker/x", "/docker", ""});
  REQUIRE(cgroup_directories(v1, "memory") == Paths{"/m", ""});
  REQUIRE(cgroup_directories(v1, "cpuset") == Paths{});
  REQUIRE(cgroup_directories("garbage\n:\n", "cpu") == Paths{});
}

TEST_CASE("this process may use at least one core and not more than the machine has") {
  REQUIRE(allowed_cores() >= 1);
  REQUIRE(allowed_cores() <= std::max(1U, std::thread::hardware_concurrency()));
  REQUIRE(allowed_memory_bytes() > (std::uint64_t{16} << 20U));
}
