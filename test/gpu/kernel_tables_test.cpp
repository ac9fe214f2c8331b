// Which tables of kernels the other tests of this binary compare with the portable one, and how.
#include <catch2/catch.hpp>

#include "test/gpu/kernel_tables.hpp"
#include "test/skip.hpp"

namespace troupe {
using namespace test;

TEST_CASE("exact_tables: contract 2: the kernels of every instruction set run in these tests, on the CPU or emulated") {
  const std::vector<KernelTable> tables = kernel_tables();
  std::size_t running = 0;
  for (const KernelTable& table : tables) {
    const char* how = table.native != nullptr ? "on this CPU" : table.emulated != nullptr ? "emulated" : "NOT RUN";
    std::printf("kernels of %s: %s\n", table.name, how);
    if (table.native != nullptr) CHECK(std::string(table.native->name) == table.name);
    if (table.emulated != nullptr) CHECK(std::string(table.emulated->name) == std::string(table.name) + ", emulated");
    if (table.native == nullptr && table.emulated == nullptr) {
      skip(std::string("the kernels of ") + table.name + " run nowhere: this CPU lacks them and there is no emulation");
    } else {
      ++running;
    }
  }
  CHECK(tested_kernels().size() == running);
}

}  // namespace troupe
