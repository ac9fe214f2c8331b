#include "model/host_engine/forward.hpp"

#include <algorithm>

#include "gpu/host/kernels.hpp"

namespace troupe {
namespace {

// What the layer after a norm reads: codes, rows, or both when its parts differ.
LinearInput normalise(const Forward& f, const float* gain, bool codes, bool floats, std::uint32_t tokens,
                      const std::uint32_t* order = nullptr) {
  StepWorkspace& w = f.workspace;
  const HyperParameters& p = f.model.hyper;
  RowsView x{w.x, w.shape.hidden};
  if (codes) rmsnorm_quantize(f.host, x, gain, p.hidden_size, p.rms_norm_eps, tokens, w.activations, order);
  if (floats) rmsnorm(f.host, x, gain, p.hidden_size, p.rms_norm_eps, tokens, w.normed, w.shape.normed, order);
  return {w.activations, {w.normed, w.shape.normed}};
}

// workspace.x += w rows
void add_projection(const Forward& f, const PackedMatrix& matrix, RowsView rows, std::uint32_t tokens) {
  StepWorkspace& w = f.workspace;
  if (has_codes(matrix.format)) quantize(f.host, rows, matrix.columns, tokens, w.activations);
  linear(f.host, matrix, {w.activations, rows}, tokens, GemmOutput{w.x, w.shape.hidden, Epilogue::kAdd, nullptr});
}

// y[:, first_column ...] = w x for each part.
void run_fused(const Forward& f, const FusedLinear& fused, const LinearInput& x, std::uint32_t tokens, float* y,
               std::size_t stride) {
  for (const FusedLinear::Part& part : fused.parts)
    linear(f.host, part.matrix, x, tokens, GemmOutput{y + part.first_column, stride, Epilogue::kStore, nullptr});
}

// workspace.gate = silu(gate) * up
void run_gate_up(const Forward& f, const FusedLinear& gate_up, const LinearInput& x, std::uint32_t tokens) {
  StepWorkspace& w = f.workspace;
  std::size_t width = w.shape.intermediate;
  if (gate_up.parts.size() == 1) {
    linear(f.host, gate_up.parts[0].matrix, x, tokens, GemmOutput{w.gate, width, Epilogue::kSiluMul, nullptr});
    return;
  }
  linear(f.host, gate_up.parts[0].matrix, x, tokens, GemmOutput{w.gate, width, Epilogue::kStore, nullptr});
  linear(f.host, gate_up.parts[1].matrix, x, tokens, GemmOutput{w.up, width, Epilogue::kStore, nullptr});
  f.host.pool.run(tokens, [&](std::uint32_t token, std::uint32_t) {
    float* gate = w.gate + token * width;
    f.host.kernels.gate_mul(Epilogue::kSiluMul, gate, w.up + token * width, static_cast<std::uint32_t>(width), gate);
  });
}

void run_layer(const Forward& f, const AttentionPlan& plan, std::uint32_t index, std::span<std::uint8_t> poisoned) {
  const HostLayer& layer = f.model.layers[index];
  StepWorkspace& w = f.workspace;
  std::uint32_t tokens = static_cast<std::uint32_t>(poisoned.size());

  LinearInput x = normalise(f, layer.attn_norm.data(), layer.qkv.takes_codes(), layer.qkv.takes_floats(), tokens);
  run_fused(f, layer.qkv, x, tokens, w.qkv, w.shape.qkv);
  append_kv(f.host, plan, f.kv, index, w.qkv, w.shape.qkv, poisoned);
  attention(f.host, plan, f.kv, index, {w.qkv, w.shape.qkv}, w.attention, w.shape.attention);
  add_projection(f, layer.o, {w.attention, w.shape.attention}, tokens);

  x = normalise(f, layer.ffn_norm.data(), layer.gate_up.takes_codes(), layer.gate_up.takes_floats(), tokens);
  run_gate_up(f, layer.gate_up, x, tokens);
  add_projection(f, layer.down, {w.gate, w.shape.intermediate}, tokens);
}

}  // namespace

void embed(const Forward& f, std::span<const TokenId> tokens) {
  f.host.pool.run(static_cast<std::uint32_t>(tokens.size()), [&](std::uint32_t i, std::uint32_t) {
    dequantize_row(f.model.embedding_type, f.model.embedding(tokens[i]), f.model.hyper.hidden_size,
                   f.workspace.x + i * f.workspace.shape.hidden);
  });
}

void run_layers(const Forward& f, const AttentionPlan& plan, std::span<std::uint8_t> poisoned) {
  std::fill(poisoned.begin(), poisoned.end(), std::uint8_t{0});
  for (std::uint32_t layer = 0; layer < f.model.layers.size(); ++layer) run_layer(f, plan, layer, poisoned);
}

void run_head(const Forward& f, std::span<const std::uint32_t> rows) {
  StepWorkspace& w = f.workspace;
  std::uint32_t count = static_cast<std::uint32_t>(rows.size());
  bool codes = has_codes(f.model.head.format);
  LinearInput x = normalise(f, f.model.output_norm.data(), codes, !codes, count, rows.data());
  linear(f.host, f.model.head, x, count, GemmOutput{w.logits, w.shape.vocab, Epilogue::kStore, nullptr});
}

}  // namespace troupe
