// How much of the weights that a pinned compute thread multiplies lies in the memory of its own node.
//   placement_bench --model FILE.gguf [--threads N]      threads: every core, by default
// On a machine with one node of memory that is all of it.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "bench/machine.hpp"
#include "model/load_model.hpp"
#include "runtime/cpu_count.hpp"
#include "runtime/cpu_topology.hpp"

namespace troupe {
namespace {

constexpr std::size_t kPage = 4096;

// The node each page of [begin, end) lies on: bytes by node; -1 where the system does not say.
void add_bytes_by_node(const std::byte* begin, const std::byte* end, std::map<int, std::uint64_t>& bytes) {
  auto at = reinterpret_cast<std::uintptr_t>(begin) / kPage * kPage;
  std::vector<void*> pages;
  for (; at < reinterpret_cast<std::uintptr_t>(end); at += kPage) pages.push_back(reinterpret_cast<void*>(at));
  std::vector<int> nodes(pages.size(), -1);
  if (syscall(SYS_move_pages, 0, pages.size(), pages.data(), nullptr, nodes.data(), 0) != 0)
    std::fill(nodes.begin(), nodes.end(), -1);
  for (const int node : nodes) bytes[node] += kPage;
}

int run(int argc, char** argv) {
  std::string path;
  const std::vector<LogicalCpu> cpus = allowed_cpus();
  auto threads = static_cast<std::uint32_t>(cpus.size());
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--model") == 0 && i + 1 < argc) {
      path = argv[++i];
    } else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = static_cast<std::uint32_t>(std::max(1, std::atoi(argv[++i])));
    } else {
      path.clear();
      break;
    }
  }
  const auto kernels = select_kernels_from_environment();
  if (path.empty() || cpus.empty() || !kernels) {
    std::fprintf(stderr, "usage: placement_bench --model FILE.gguf [--threads N]\n");
    return 2;
  }
  bench::print_heading(argc, argv);
  LoadOptions options;
  options.kernels = *kernels;
  options.limits.threads = threads;
  options.limits.context = 512;
  options.memory.available_bytes = allowed_memory_bytes();
  for (std::uint32_t thread = 0; thread < threads; ++thread)
    options.limits.pins.push_back(cpus[thread % cpus.size()].cpu);
  const auto model = load_model(path, options);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;

  std::printf("%6s %4s %4s %9s %18s\n", "thread", "cpu", "node", "MiB", "on its own node");
  for (std::uint32_t thread = 0; thread < threads; ++thread) {
    std::map<int, std::uint64_t> bytes;
    const auto add = [&](const PackedMatrix& matrix) {
      add_bytes_by_node(matrix.data + std::size_t{matrix.tiles} * thread / threads * matrix.tile_bytes,
                        matrix.data + std::size_t{matrix.tiles} * (thread + 1) / threads * matrix.tile_bytes, bytes);
    };
    for (const HostLayer& layer : model->weights->layers) {
      for (const FusedLinear* linear : {&layer.qkv, &layer.gate_up})
        for (const FusedLinear::Part& part : linear->parts) add(part.matrix);
      add(layer.o), add(layer.down);
    }
    add(model->weights->head);
    std::uint64_t all = 0;
    for (const auto& [node, count] : bytes) all += count;
    const LogicalCpu& cpu = cpus[thread % cpus.size()];
    std::printf("%6u %4u %4u %9.1f %16.1f %%\n", thread, cpu.cpu, cpu.node, static_cast<double>(all) / (1 << 20),
                100.0 * static_cast<double>(bytes[static_cast<int>(cpu.node)]) / static_cast<double>(all));
  }
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::run(argc, argv); }
