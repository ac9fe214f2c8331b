#pragma once
// The rates a profile is held against, measured in some milliseconds.
#include <algorithm>

#include "gpu/host/roofline.hpp"
#include "runtime/profile_table.hpp"

namespace troupe {

inline MachineRates measure_machine(std::uint32_t threads) {
  constexpr std::size_t kReadBytes = std::size_t{100} << 20;  // more than caches hold, or nearly
  ThreadPool pool(threads, "rates");
  MachineRates rates;
  for (const ComputeRate& rate : compute_rates(pool, true)) {
    double& best = rate.is_integer ? rates.operations : rates.float_operations;
    best = std::max(best, rate.operations);
  }
  rates.bytes = read_bandwidth(pool, kReadBytes, true);
  return rates;
}

// Of what was measured at two times: others disturb one or the other.
inline MachineRates better_of(const MachineRates& a, const MachineRates& b) {
  return {std::max(a.operations, b.operations), std::max(a.float_operations, b.float_operations),
          std::max(a.bytes, b.bytes)};
}

}  // namespace troupe
