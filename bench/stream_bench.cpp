// How near the products of one token come to plain reading: all matrices of a model in the order of a step, read by all
// threads, then multiplied with one token's activations, in turn. Medians of GB/s.
//   stream_bench --model FILE.gguf [--threads N] [--smoke]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "bench/machine.hpp"
#include "gpu/host/phases.hpp"
#include "gpu/host/pieces.hpp"
#include "gpu/host/roofline.hpp"
#include "model/load_model.hpp"
#include "runtime/cpu_count.hpp"

namespace troupe {
namespace {

double seconds(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(int argc, char** argv) {
  std::string path;
  std::uint32_t threads = allowed_cores();
  int rounds = 60;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--model") == 0 && i + 1 < argc) {
      path = argv[++i];
    } else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc) {
      threads = static_cast<std::uint32_t>(std::max(1, std::atoi(argv[++i])));
    } else if (std::strcmp(argv[i], "--smoke") == 0) {
      rounds = 3;
    } else {
      path.clear();
      break;
    }
  }
  const auto kernels = select_kernels_from_environment();
  if (path.empty() || !kernels) {
    std::fprintf(stderr, "usage: stream_bench --model FILE.gguf [--threads N] [--smoke]\n");
    return 2;
  }
  bench::print_heading(argc, argv);
  LoadOptions options;
  options.kernels = *kernels;
  options.limits.threads = threads;
  options.limits.context = 512;
  options.memory.available_bytes = allowed_memory_bytes();
  const auto model = load_model(path, options);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;

  std::vector<PackedMatrix> matrices;
  for (const HostLayer& layer : model->weights->layers) {
    for (const FusedLinear::Part& part : layer.qkv.parts) matrices.push_back(part.matrix);
    matrices.push_back(layer.o);
    for (const FusedLinear::Part& part : layer.gate_up.parts) matrices.push_back(part.matrix);
    matrices.push_back(layer.down);
  }
  matrices.push_back(model->weights->head);
  std::erase_if(matrices, [](const PackedMatrix& matrix) { return !has_codes(matrix.format); });
  std::uint32_t columns = 32, rows = 16;
  double bytes = 0;
  for (const PackedMatrix& matrix : matrices) {
    columns = std::max(columns, matrix.columns), rows = std::max(rows, matrix.tiles * kTileRows);
    bytes += static_cast<double>(matrix.tiles * matrix.tile_bytes);
  }
  if (matrices.empty()) return std::fprintf(stderr, "stream_bench: these weights are floats\n"), 2;

  auto floats = *Storage::allocate((std::size_t{columns} + rows) * sizeof(float));
  auto codes = *Storage::allocate(activation_bytes(1, columns));
  float* const x = floats.as<float>();
  for (std::uint32_t i = 0; i < columns; ++i) x[i] = static_cast<float>(i % 17) - 8.0F;
  auto* const activations = codes.as<ActivationBlock>();
  (*kernels)->quantize(x, columns, activations, 0);

  ThreadPool pool(threads);
  const Host host{pool, **kernels};
  std::vector<double> read, multiplied, share;
  for (int round = 0; round < rounds; ++round) {
    pool.begin_step();
    const double reading = seconds([&] {
      for (const PackedMatrix& matrix : matrices) {
        run_pieces(pool, matrix.tiles, piece_of(matrix.tiles, claims_of(host), 2), [=](auto begin, auto end) {
          read_lines(matrix.data + begin * matrix.tile_bytes, (end - begin) * matrix.tile_bytes / 256 * 256);
        });
      }
    });
    const double multiplying = seconds([&] {
      for (const PackedMatrix& matrix : matrices)
        linear(host, matrix, {activations, {}}, 1, {x + columns, rows, Epilogue::kStore, nullptr});
    });
    pool.end_step();
    read.push_back(bytes / reading * 1e-9), multiplied.push_back(bytes / multiplying * 1e-9);
    share.push_back(reading / multiplying);
  }
  std::printf("%.0f MB in %zu matrices, %u threads: read %.1f GB/s, multiplied %.1f GB/s, %.0f %%\n", bytes * 1e-6,
              matrices.size(), threads, median(read), median(multiplied), 100 * median(share));
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::run(argc, argv); }
