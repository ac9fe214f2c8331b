// Every kernel of every instruction set this CPU has, alone and from the cache, on one core: what a phase could reach
// if memory and threads cost nothing. google-benchmark's flags work; --smoke runs each for milliseconds.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <vector>

#include "bench/machine.hpp"
#include "gpu/host/kernels.hpp"
#include "gpu/host/kv_layout.hpp"
#include "test/gpu/random_values.hpp"

namespace troupe {
namespace {
using namespace test;

constexpr std::uint32_t kRows = 192, kColumns = 576, kColumnsOf256 = 512;  // 100 KB of weights at most but floats
constexpr std::uint32_t kHeadDim = 64;

std::vector<const HostKernels*> tables() {
  std::vector<const HostKernels*> all = optimised_kernels();
  all.push_back(&kPortableKernels);
  return all;
}

void set_rate(benchmark::State& state, double operations) {
  state.counters["OP/s"] =
      benchmark::Counter(operations * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void gemm(benchmark::State& state, const HostKernels* kernels, DType type) {
  const auto tokens = static_cast<std::uint32_t>(state.range(0));
  const std::uint32_t columns = format_of(type).block_elements == 256 ? kColumnsOf256 : kColumns;
  Random random(1);
  const RandomRows raw(type, kRows, columns, random);
  Arena arena;
  const PackedMatrix w = *pack_matrix(type, columns, raw.rows(), arena);
  const Aligned<float> x(std::size_t{tokens} * columns), y(std::size_t{tokens} * kRows);
  fill(x, Kind::kOrdinary, random);
  const Aligned<ActivationBlock> codes((tokens + 7) / 8 * activation_blocks(columns));
  for (std::uint32_t token = 0; token < tokens; ++token) {
    kernels->quantize(x.data() + std::size_t{token} * columns, columns,
                      codes.data() + token / 8 * activation_blocks(columns), token % 8);
  }
  const GemmOutput out{y.data(), kRows, Epilogue::kStore, nullptr};
  for (auto _ : state) {
    if (has_codes(w.format)) kernels->gemm(w, 0, w.tiles, codes.data(), 0, tokens, out);
    if (!has_codes(w.format)) kernels->gemm_floats(w, 0, w.tiles, x.data(), columns, 0, tokens, out);
    benchmark::ClobberMemory();
  }
  set_rate(state, 2.0 * kRows * columns * tokens);
}

// Three heads of a group over one context, as in SmolLM2-135M.
void attention(benchmark::State& state, const HostKernels* kernels, KvType type) {
  const auto context = static_cast<std::uint32_t>(state.range(0));
  Random random(2);
  const KvLayout layout{1, 1, kHeadDim, type};
  const std::uint32_t pages = (context + 15) / 16;
  const Aligned<std::byte> pool(pages * layout.block_bytes());
  std::vector<std::uint32_t> blocks;
  const Aligned<float> k(kHeadDim), v(kHeadDim), q(3 * kHeadDim), out(3 * kHeadDim);
  for (std::uint32_t token = 0; token < context; ++token) {
    if (token % 16 == 0) blocks.push_back(token / 16);
    fill(k, Kind::kOrdinary, random);
    fill(v, Kind::kOrdinary, random);
    const auto append = type == KvType::kInt8 ? kernels->append_kv : kernels->append_kv_halves;
    append(pool.data() + token / 16 * layout.block_bytes(), token % 16, k.data(), v.data(), kHeadDim);
  }
  fill(q, Kind::kOrdinary, random);
  QueryRow rows[3];
  for (std::uint32_t r = 0; r < 3; ++r) {
    rows[r] = {q.data() + r * kHeadDim, nullptr, out.data() + r * kHeadDim, context - 1};
  }
  AttentionTask task;
  task.rows = rows;
  task.count = 3;
  task.head_dim = kHeadDim;
  task.score_scale = score_scale(kHeadDim, 0.0, type);
  task.pages = pool.data();
  task.block_bytes = layout.block_bytes();
  task.blocks = blocks.data();
  for (auto _ : state) {
    (type == KvType::kInt8 ? kernels->attention : kernels->attend_halves)(task);
    benchmark::ClobberMemory();
  }
  set_rate(state, 4.0 * 3 * kHeadDim * context);
}

// One row of `kColumns` values; fn(x, gain, codes, y).
template <class Fn>
void row(benchmark::State& state, const Fn& fn) {
  Random random(3);
  const Aligned<float> x(kColumns), gain(kColumns), y(kColumns);
  fill(x, Kind::kOrdinary, random);
  fill(gain, Kind::kOrdinary, random);
  const Aligned<ActivationBlock> codes(activation_blocks(kColumns));
  for (auto _ : state) {
    fn(x.data(), gain.data(), codes.data(), y.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * kColumns * 4);
}

void register_all() {
  for (const HostKernels* kernels : tables()) {
    const std::string isa = kernels->name;
    for (const BlockFormat& format : block_formats()) {
      benchmark::RegisterBenchmark((isa + "/gemm/" + format.name).c_str(), gemm, kernels, format.type)
          ->Arg(1)
          ->Arg(4)
          ->Arg(64);
    }
    for (const KvType type : {KvType::kInt8, KvType::kF16}) {
      benchmark::RegisterBenchmark((isa + "/attention/" + name_of(type)).c_str(), attention, kernels, type)
          ->Arg(160)
          ->Arg(2048);
    }
    benchmark::RegisterBenchmark((isa + "/rmsnorm_quantize").c_str(), [kernels](benchmark::State& state) {
      row(state, [&](const float* x, const float* gain, ActivationBlock* codes, float*) {
        kernels->rmsnorm_quantize(x, gain, kColumns, 1e-5F, codes, 0);
      });
    });
    benchmark::RegisterBenchmark((isa + "/rmsnorm_quantize_tile").c_str(), [kernels](benchmark::State& state) {
      row(state, [&](const float* x, const float* gain, ActivationBlock* codes, float*) {
        kernels->rmsnorm_quantize_tile(x, 0, gain, kColumns, 1e-5F, codes);
      });
    });
    benchmark::RegisterBenchmark((isa + "/silu").c_str(), [kernels](benchmark::State& state) {
      row(state, [&](const float* x, const float* up, ActivationBlock*, float* y) {
        kernels->gate_mul(Epilogue::kSiluMul, x, up, kColumns, y);
      });
    });
    benchmark::RegisterBenchmark((isa + "/hadamard").c_str(), [kernels](benchmark::State& state) {
      row(state, [&](const float*, const float*, ActivationBlock*, float* y) { kernels->hadamard(y, kHeadDim); });
    });
    benchmark::RegisterBenchmark((isa + "/max_logit").c_str(), [kernels](benchmark::State& state) {
      row(state, [&](const float* x, const float*, ActivationBlock*, float*) {
        benchmark::DoNotOptimize(kernels->max_logit(x, kColumns));
      });
    });
  }
}

}  // namespace
}  // namespace troupe

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv, argv + argc);
  for (std::string& argument : arguments) {
    if (argument == "--smoke") argument = "--benchmark_min_time=0.001";
  }
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) return 2;
  troupe::bench::print_heading(argc, argv);
  troupe::register_all();
  return benchmark::RunSpecifiedBenchmarks() > 0 ? 0 : 1;
}
