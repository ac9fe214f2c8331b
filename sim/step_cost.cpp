#include "sim/step_cost.hpp"

#include <cmath>

namespace troupe {
namespace {

// Measured on a prototype of the host engine: two threads of a server CPU with AVX-512.
StepCost cpu135() {
  StepCost cost;
  cost.name = "cpu135";
  cost.description = "SmolLM2-135M in 4 bits on 2 CPU cores, from measured steps";
  cost.matrix_ms = {{1, 1.4},   {4, 2.3},    {8, 3.3},    {16, 4.6},    {32, 8.9},
                    {64, 16.0}, {128, 29.0}, {256, 56.0}, {512, 109.0}, {1024, 218.0}};
  cost.per_context_ms = 0.00094;
  cost.per_pair_ms = 0.000114;
  cost.overhead_ms = 0.05;
  cost.sequences_max = 64;
  cost.kv_tokens = 200'000;
  cost.slo = {400, 1.0, 50};
  cost.capacity_per_s = 3.8;
  return cost;
}

// On paper: 0.77 GB of weights at 65 GB/s, 2.48 GOP a position at 874 GOP/s, 33 KB of KV a position.
StepCost cpu1b() {
  StepCost cost;
  cost.name = "cpu1b";
  cost.description = "a 1B model in 4 bits on 2 CPU cores, computed from bandwidth and operations";
  cost.matrix_ms = {{1, 14.5},   {4, 22.0},    {8, 33.0},     {16, 55.0},    {32, 100.0},
                    {64, 190.0}, {128, 371.0}, {512, 1460.0}, {1024, 2910.0}};
  cost.per_context_ms = 0.00134;
  cost.per_pair_ms = 0.00016;
  cost.overhead_ms = 0.05;
  cost.sequences_max = 32;
  cost.kv_tokens = 120'000;
  cost.slo = {2500, 8.0, 150};
  cost.prompt_scale = 0.5;
  cost.capacity_per_s = 0.73;
  return cost;
}

// On paper: 15 GB of weights at 3 TB/s below the knee, 49,000 prompt positions a second above it.
StepCost h100() {
  StepCost cost;
  cost.name = "h100";
  cost.description = "an 8B model in 16 bits on one H100, computed from bandwidth and operations";
  for (double n : {1., 32., 64., 128., 192., 256., 384., 512., 768., 1024., 2048., 4096., 8192., 16384.}) {
    cost.matrix_ms.emplace_back(n, std::cbrt(std::pow(5.0, 3) + std::pow(0.0204 * n, 3)));
  }
  cost.per_context_ms = 0.0000437;
  cost.per_pair_ms = 0.00000106;
  cost.overhead_ms = 0.5;
  cost.sequences_max = 256;
  cost.kv_tokens = 400'000;
  cost.slo = {200, 0.15, 25};
  cost.capacity_per_s = 56;
  return cost;
}

}  // namespace

double StepCost::ms(const StepShape& step) const {
  double positions = step.prefill + step.seqs;
  double matrix = matrix_ms.front().second;
  if (positions > matrix_ms.front().first) {
    std::size_t i = 1;
    while (i + 1 < matrix_ms.size() && matrix_ms[i].first < positions) ++i;
    auto [x0, y0] = matrix_ms[i - 1];
    auto [x1, y1] = matrix_ms[i];
    matrix = y0 + (y1 - y0) * (positions - x0) / (x1 - x0);
  }
  return overhead_ms + matrix + per_context_ms * step.context + per_pair_ms * step.pairs;
}

std::span<const StepCost> step_costs() {
  static const StepCost costs[] = {cpu135(), cpu1b(), h100()};
  return costs;
}

const StepCost* find_step_cost(std::string_view name) {
  for (const StepCost& cost : step_costs()) {
    if (cost.name == name) return &cost;
  }
  return nullptr;
}

}  // namespace troupe
