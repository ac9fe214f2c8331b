// How fast the host engine steps, without actors and sockets: prefill of 512 tokens, and decode at several batch sizes
// with the context going from 128 to 192. Best and median step, so that a disturbed machine shows.
//   engine_bench MODEL.gguf [--threads N] [--smoke]
#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <random>

#include "bench/machine.hpp"
#include "model/load_model.hpp"
#include "runtime/cpu_count.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kPrompt = 128;
constexpr std::uint32_t kDecodeSteps = 64;

double seconds_of(const std::function<void()>& work) {
  auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Rows of one step, each for its own sequence with its own run of blocks.
class Driver {
 public:
  Driver(StepRunner& runner, std::uint32_t blocks_each) : runner_(runner), blocks_each_(blocks_each) {}

  // One step of `count` new tokens at `position` for each of the sequences [first, end).
  double step(std::uint32_t first, std::uint32_t end, std::uint32_t position, std::uint32_t count, bool sample) {
    auto plan = std::make_shared<StepPlan>();
    plan->step = ++steps_;
    std::uniform_int_distribution<TokenId> any(100, static_cast<TokenId>(runner_.info().vocab_size) - 1);
    for (std::uint32_t s = first; s < end; ++s) {
      StepRow row;
      row.sequence = s + 1;
      row.position = position;
      row.tokens = {static_cast<std::uint32_t>(plan->tokens.size()), count};
      for (std::uint32_t i = 0; i < count; ++i) plan->tokens.push_back(any(random_));
      std::uint32_t blocks = (position + count + kBlockSize - 1) / kBlockSize;
      row.blocks = {static_cast<std::uint32_t>(plan->blocks.size()), blocks};
      for (std::uint32_t b = 0; b < blocks; ++b) plan->blocks.push_back(s * blocks_each_ + b);
      if (sample) {
        row.sampling = static_cast<std::uint32_t>(plan->sampling.size());
        plan->sampling.emplace_back();
      }
      plan->rows.push_back(row);
    }
    bool ok = false;
    double seconds =
        seconds_of([&] { runner_.submit(plan, [&](const Result<StepResult>& result) { ok = result.ok(); }); });
    TROUPE_CHECK(ok, "a step of the benchmark failed");
    return seconds;
  }

 private:
  StepRunner& runner_;
  std::uint32_t blocks_each_;
  std::uint64_t steps_ = 0;
  std::mt19937 random_{7};
};

struct Summary {
  double best, median;
};
Summary summary_of(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds.front(), seconds[seconds.size() / 2]};
}

int run(int argc, char** argv) {
  const char* path = nullptr;
  std::uint32_t threads = std::thread::hardware_concurrency();
  bool smoke = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--smoke") == 0)
      smoke = true;
    else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
      threads = static_cast<std::uint32_t>(std::atoi(argv[++i]));
    else
      path = argv[i];
  }
  if (path == nullptr) {
    std::fprintf(stderr, "usage: engine_bench MODEL.gguf [--threads N] [--smoke]\n");
    return 2;
  }
  bench::print_heading(argc, argv);
  auto kernels = select_kernels_from_environment();
  if (!kernels) {
    std::fprintf(stderr, "error: %s\n", kernels.error().message.c_str());
    return 2;
  }
  LoadOptions options;
  options.limits.threads = threads;
  options.memory.available_bytes = allowed_memory_bytes();
  options.kernels = *kernels;
  auto loaded = load_model(path, options);
  if (!loaded) {
    std::fprintf(stderr, "error: %s\n", loaded.error().message.c_str());
    return 2;
  }
  auto runner = loaded->make_runner();
  std::printf("device: %s, %u threads\n", runner->info().device.c_str(), threads);
  Driver driver(*runner, (kPrompt + kDecodeSteps + kBlockSize - 1) / kBlockSize);

  std::vector<double> prefill;
  Driver long_driver(*runner, 512 / kBlockSize);
  for (int i = 0; i < (smoke ? 1 : 7); ++i) prefill.push_back(long_driver.step(0, 1, 0, 512, true));
  auto [best, median] = summary_of(prefill);
  std::printf("prefill 512        best %7.0f  median %7.0f tok/s\n", 512 / best, 512 / median);

  for (std::uint32_t batch : {1U, 4U, 16U, 32U}) {
    for (std::uint32_t at = 0; at < batch; at += 4) driver.step(at, std::min(batch, at + 4), 0, kPrompt, false);
    std::vector<double> decode;
    std::uint32_t steps = smoke ? 4 : kDecodeSteps;
    for (std::uint32_t i = 0; i < steps; ++i) decode.push_back(driver.step(0, batch, kPrompt + i, 1, true));
    auto [fast, middle] = summary_of(decode);
    double mean = std::accumulate(decode.begin(), decode.end(), 0.0) / steps;
    std::printf("decode batch %2u    best %7.0f  median %7.0f  mean %7.0f tok/s\n", batch, batch / fast, batch / middle,
                batch / mean);
  }
  return 0;
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) { return troupe::run(argc, argv); }
