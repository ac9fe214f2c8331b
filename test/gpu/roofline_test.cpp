#include "gpu/host/roofline.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "test/gpu/kernel_tables.hpp"

namespace troupe {

TEST_CASE("the machine's int8 and float rates are measured, for every table of kernels this CPU runs") {
  ThreadPool pool(1);
  const std::vector<ComputeRate> rates = compute_rates(pool, true);
  for (const ComputeRate& rate : rates) {
    CAPTURE(rate.name);
    CHECK(rate.operations > 1e7);   // what is emulated manages some hundred million
    CHECK(rate.operations < 1e13);  // a loop the compiler took away
  }
  for (const test::KernelTable& table : test::kernel_tables()) {
    if (table.native == nullptr) continue;
    CAPTURE(table.name);
    CHECK(std::any_of(rates.begin(), rates.end(), [&](const ComputeRate& rate) {
      return rate.is_integer && std::string(rate.name).find(table.name) != std::string::npos;
    }));
    CHECK(std::any_of(rates.begin(), rates.end(), [](const ComputeRate& rate) { return !rate.is_integer; }));
  }
}

}  // namespace troupe
