// How near the products of one token come to plain reading: all matrices of a model in the order of a step, read by all
// threads, then multiplied with one token's activations, in turn. Then what stands between them: how long the products
// take without the memory, and how fast the same lines are read beside so much work on registers alone. Medians.
//   stream_bench --model FILE.gguf [--threads N] [--smoke]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "bench/machine.hpp"
#include "bench/reading_beside_work.hpp"
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

// All matrices of a step, piece by piece as the products take them.
struct Stream {
  ThreadPool& pool;
  const std::vector<PackedMatrix>& matrices;

  // work(matrix, begin, end): the tiles [begin, end).
  double seconds_of(const auto& work) const {
    return seconds([&] {
      for (const PackedMatrix& matrix : matrices) {
        const std::uint32_t piece = piece_of(matrix.tiles, pool.threads(), kClaimsPerThread, 1);
        run_pieces(pool, matrix.tiles, piece,
                   [&matrix, work](std::uint32_t begin, std::uint32_t end) { work(matrix, begin, end); });
      }
    });
  }
};

constexpr std::size_t kCached = 32U << 10U;  // bytes that a core's caches hold of each shape, beside all else

// Reading beside kWork, fetched ahead from five distances: shares of the speed of plain reading.
template <int kWork>
class Overlap {
 public:
  void measure(const Stream& stream, double reading) {
    alone_.push_back(seconds_of<0>(stream, true) / reading);
    measure_ahead<0, 0>(stream, reading), measure_ahead<1, 1024>(stream, reading);
    measure_ahead<2, 2048>(stream, reading), measure_ahead<3, 3072>(stream, reading);
    measure_ahead<4, 4608>(stream, reading);
  }
  void print() {
    std::printf("  %3.0f %%:", 100 * median(alone_));
    for (int i = 0; i < 5; ++i) std::printf(" %4.0f %% %s", 100 * median(shares_[i]), kNames[i]);
    std::printf("\n");
  }

 private:
  static constexpr const char* kNames[] = {"not fetched", "1024 ahead", "2048", "3072", "4608"};
  template <std::size_t kAhead>
  static double seconds_of(const Stream& stream, bool is_cached) {
    return stream.seconds_of([=](const PackedMatrix& matrix, std::uint32_t begin, std::uint32_t end) {
      const std::size_t bytes = (end - begin) * matrix.tile_bytes;
      const std::size_t window = is_cached ? std::min(bytes, kCached / 4) : bytes;
      bench::read_beside_work<kWork, kAhead>(matrix.data + begin * matrix.tile_bytes, bytes, window);
    });
  }
  template <int kIndex, std::size_t kAhead>
  void measure_ahead(const Stream& stream, double reading) {
    shares_[kIndex].push_back(reading / seconds_of<kAhead>(stream, false));
  }

  std::vector<double> alone_, shares_[5];
};

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
  const Stream stream{pool, matrices};
  const auto* const table = *kernels;
  std::vector<double> read, multiplied, share, from_cache;
  Overlap<0> none;
  Overlap<8> some;
  Overlap<12> more;
  Overlap<16> much;
  for (int round = 0; round < rounds; ++round) {
    pool.begin_step();
    const double reading = stream.seconds_of([](const PackedMatrix& matrix, std::uint32_t begin, std::uint32_t end) {
      read_lines(matrix.data + begin * matrix.tile_bytes, (end - begin) * matrix.tile_bytes / 256 * 256);
    });
    const double multiplying = seconds([&] {
      for (const PackedMatrix& matrix : matrices)
        linear(host, matrix, {activations, {}}, 1, {x + columns, rows, Epilogue::kStore, nullptr});
    });
    // As many tiles, but always the same few.
    float* const y = x + columns;
    const double cached = stream.seconds_of([&](const PackedMatrix& matrix, std::uint32_t begin, std::uint32_t end) {
      const PackedMatrix& same = *std::find_if(matrices.begin(), matrices.end(), [&](const PackedMatrix& other) {
        return other.format == matrix.format && other.columns == matrix.columns;
      });
      const std::uint32_t few = std::min(same.tiles, static_cast<std::uint32_t>(kCached / same.tile_bytes) + 1);
      for (std::uint32_t at = begin; at < end; at += few)
        table->gemm(same, 0, std::min(few, end - at), activations, 0, 1, {y, rows, Epilogue::kStore, nullptr});
    });
    none.measure(stream, reading), some.measure(stream, reading);
    more.measure(stream, reading), much.measure(stream, reading);
    pool.end_step();
    read.push_back(bytes / reading * 1e-9), multiplied.push_back(bytes / multiplying * 1e-9);
    share.push_back(reading / multiplying), from_cache.push_back(cached / reading);
  }
  std::printf("%.0f MB in %zu matrices, %u threads: read %.1f GB/s, multiplied %.1f GB/s, %.0f %%\n", bytes * 1e-6,
              matrices.size(), threads, median(read), median(multiplied), 100 * median(share));
  std::printf("without the memory the products take %.0f %% of the time that reading takes\n",
              100 * median(from_cache));
  if (!bench::kHasReadingBesideWork) return 0;
  std::printf("reading beside work on registers, by the time the work takes alone (100 %%: reading's):\n");
  none.print(), some.print(), more.print(), much.print();
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::run(argc, argv); }
