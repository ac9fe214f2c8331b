#include "gpu/host/roofline.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "gpu/host/kernel_bounds.hpp"
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

TEST_CASE("what lines cost that another thread has is measured, and nothing with one thread") {
  ThreadPool one(1), two(2);
  const SharedLines alone = shared_lines(one, true), shared = shared_lines(two, true);
  CHECK(alone.round_trip == 0.0);
  CHECK(alone.write == 0.0);
  CHECK(shared.round_trip > 1e-9);
  CHECK(shared.write > 1e-10);
  CHECK(shared.round_trip < 1.0);
  CHECK(shared.write < 1.0);
}

TEST_CASE(
    "what the instructions of exact kernels allow is measured for avx2 and avx512, and not known for other tables") {
  ThreadPool pool(1);
  const KernelBounds none = kernel_bounds(pool, "portable", true);
  CHECK(none.nibbles + none.nibbles_with_min + none.bytes + none.attention == 0.0);
  for (const test::KernelTable& table : test::kernel_tables()) {
    const std::string name = table.name;
    if (table.native == nullptr || (name != "avx2" && name != "avx512")) continue;
    const KernelBounds bounds = kernel_bounds(pool, name, true);
    for (const double bound : {bounds.nibbles, bounds.nibbles_with_min, bounds.bytes, bounds.attention}) {
      CHECK(bound > 1e7);
      CHECK(bound < 1e13);  // a loop the compiler took away
    }
  }
}

}  // namespace troupe
