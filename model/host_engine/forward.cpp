#include "model/host_engine/forward.hpp"

#include <algorithm>
#include <cmath>

#include "gpu/host/kernels.hpp"

namespace troupe {
namespace {

// y[:, first_column ...] = w x for each part.
void run_fused(const Forward& f, const FusedLinear& linear_layer, std::uint32_t tokens, float* y, std::size_t stride) {
  for (const FusedLinear::Part& part : linear_layer.parts)
    linear(f.host, part.matrix, f.workspace.activations, tokens,
           GemmOutput{y + part.first_column, stride, Epilogue::kStore, nullptr});
}

// workspace.gate = silu(gate) * up
void run_gate_up(const Forward& f, const FusedLinear& gate_up, std::uint32_t tokens) {
  StepWorkspace& w = f.workspace;
  std::size_t width = w.shape.intermediate;
  if (gate_up.parts.size() == 1) {
    linear(f.host, gate_up.parts[0].matrix, w.activations, tokens,
           GemmOutput{w.gate, width, Epilogue::kSiluMul, nullptr});
    return;
  }
  linear(f.host, gate_up.parts[0].matrix, w.activations, tokens, GemmOutput{w.gate, width, Epilogue::kStore, nullptr});
  linear(f.host, gate_up.parts[1].matrix, w.activations, tokens, GemmOutput{w.up, width, Epilogue::kStore, nullptr});
  f.host.pool.run(tokens, [&](std::uint32_t token, std::uint32_t) {
    float* gate = w.gate + token * width;
    f.host.kernels.silu_mul(gate, w.up + token * width, static_cast<std::uint32_t>(width), gate);
  });
}

// The two scales of a token in a page.
bool scrub_scales(float* scales, std::uint32_t slot) {
  bool finite = true;
  for (float* scale : {scales + slot, scales + kPageTokens + slot}) {
    if (std::isfinite(*scale)) continue;
    *scale = 0.0F;
    finite = false;
  }
  return finite;
}

void scrub_kv(const Forward& f, const AttentionPlan& plan, std::uint32_t layer, std::span<std::uint8_t> poisoned) {
  const KvLayout& layout = f.kv.layout;
  std::size_t scales_at = std::size_t{2} * kPageTokens * layout.head_dim;  // behind the int8 values of K and V
  for (std::size_t i = 0; i < plan.rows().size(); ++i) {
    const AttentionPlan::Row& row = plan.rows()[i];
    std::byte* block = f.kv.data + row.blocks[row.position / kPageTokens] * layout.block_bytes();
    for (std::uint32_t head = 0; head < layout.kv_heads; ++head) {
      auto* scales = reinterpret_cast<float*>(block + layout.page_offset(layer, head) + scales_at);
      if (!scrub_scales(scales, row.position % kPageTokens)) poisoned[i] = 1;
    }
  }
}

void run_layer(const Forward& f, const AttentionPlan& plan, std::uint32_t index, std::span<std::uint8_t> poisoned) {
  const HostLayer& layer = f.model.layers[index];
  const HyperParameters& p = f.model.hyper;
  StepWorkspace& w = f.workspace;
  std::uint32_t tokens = static_cast<std::uint32_t>(poisoned.size());
  std::uint32_t attention_width = static_cast<std::uint32_t>(w.shape.attention);

  rmsnorm_quantize(f.host, {w.x, w.shape.hidden}, layer.attn_norm.data(), p.hidden_size, p.rms_norm_eps, tokens,
                   w.activations);
  run_fused(f, layer.qkv, tokens, w.qkv, w.shape.qkv);
  append_kv(f.host, plan, f.kv, index, w.qkv, w.shape.qkv);
  scrub_kv(f, plan, index, poisoned);
  attention(f.host, plan, f.kv, index, {w.qkv, w.shape.qkv}, w.attention, w.shape.attention);
  quantize(f.host, {w.attention, w.shape.attention}, attention_width, tokens, w.activations);
  linear(f.host, layer.o, w.activations, tokens, GemmOutput{w.x, w.shape.hidden, Epilogue::kAdd, nullptr});

  rmsnorm_quantize(f.host, {w.x, w.shape.hidden}, layer.ffn_norm.data(), p.hidden_size, p.rms_norm_eps, tokens,
                   w.activations);
  run_gate_up(f, layer.gate_up, tokens);
  quantize(f.host, {w.gate, w.shape.intermediate}, p.intermediate_size, tokens, w.activations);
  linear(f.host, layer.down, w.activations, tokens, GemmOutput{w.x, w.shape.hidden, Epilogue::kAdd, nullptr});
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
  rmsnorm_quantize(f.host, {w.x, w.shape.hidden}, f.model.output_norm.data(), f.model.hyper.hidden_size,
                   f.model.hyper.rms_norm_eps, count, w.activations, rows.data());
  linear(f.host, f.model.head, w.activations, count, GemmOutput{w.logits, w.shape.vocab, Epilogue::kStore, nullptr});
}

}  // namespace troupe
