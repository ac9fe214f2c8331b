// What this machine can do at best, on one core and on all threads: gpu/host/roofline.hpp as a table.
//   roofline_bench [--threads N] [--smoke]
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "bench/machine.hpp"
#include "gpu/host/kernel_bounds.hpp"
#include "gpu/host/kernels.hpp"
#include "gpu/host/roofline.hpp"

namespace troupe {
namespace {

int run(int argc, char** argv) {
  std::uint32_t threads = std::thread::hardware_concurrency();
  bool smoke = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0) {
      smoke = true;
    } else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = static_cast<std::uint32_t>(std::max(1, std::atoi(argv[++i])));
    } else {
      std::fprintf(stderr, "usage: roofline_bench [--threads N] [--smoke]\n");
      return 2;
    }
  }
  bench::print_heading(argc, argv);
  const auto selected = select_kernels_from_environment();
  if (!selected) return std::fprintf(stderr, "%s\n", selected.error().message.c_str()), 2;
  const HostKernels& kernels = **selected;
  ThreadPool one(1);
  ThreadPool all(threads);

  std::printf("\n%-38s %12s %9u thr.\n", "GOP/s", "1 core", threads);
  auto alone = compute_rates(one, smoke);
  auto together = compute_rates(all, smoke);
  for (std::size_t i = 0; i < alone.size(); ++i) {
    std::printf("%-38s %12.0f %14.0f\n", alone[i].name, alone[i].operations * 1e-9, together[i].operations * 1e-9);
  }

  std::printf("\nwhat the exact kernels' instructions allow (gpu/host/kernel_bounds.hpp), table %s\n", kernels.name);
  const KernelBounds bounds_alone = kernel_bounds(one, kernels.name, smoke);
  const KernelBounds bounds_together = kernel_bounds(all, kernels.name, smoke);
  const struct {
    const char* name;
    double KernelBounds::*rate;
  } rows[] = {{"4-bit weights", &KernelBounds::nibbles},
              {"4-bit weights with minima", &KernelBounds::nibbles_with_min},
              {"8-bit weights", &KernelBounds::bytes},
              {"attention, int8 K/V", &KernelBounds::attention}};
  for (const auto& row : rows) {
    if (bounds_alone.*row.rate <= 0) continue;
    std::printf("%-38s %12.0f %14.0f\n", row.name, bounds_alone.*row.rate * 1e-9, bounds_together.*row.rate * 1e-9);
  }

  std::printf("\n%-38s %12s %9u thr.\n", "read GB/s, by KiB", "1 core", threads);
  for (std::size_t kib : {32U, 256U, 1024U, 4096U, 16384U, 102400U, 409600U}) {
    if (smoke && kib > 1024) break;
    std::printf("%-38zu %12.1f %14.1f\n", kib, read_bandwidth(one, kib * 1024, smoke) * 1e-9,
                read_bandwidth(all, kib * 1024, smoke) * 1e-9);
  }

  std::printf("\na phase that does nothing: %.2f us\n", phase_seconds(all, smoke) * 1e6);
  const SharedLines shared = shared_lines(all, smoke);
  if (threads > 1) {
    std::printf("a line to the second thread and back: %.0f ns; to write a line it has read: %.1f ns\n",
                shared.round_trip * 1e9, shared.write * 1e9);
  }
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::run(argc, argv); }
