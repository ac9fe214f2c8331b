#include "model/host_engine/forward.hpp"

#include <algorithm>

#include "gpu/host/kernels.hpp"
#include "model/host_engine/pooling.hpp"

namespace troupe {
namespace {

// A phase of the step, timed when the step is profiled.
class Phase {
 public:
  Phase(const Forward& f, const char* name, std::int32_t layer, std::uint32_t tokens)
      : block_(f.profiler, "phases", name) {
    if (ProfileSpan* span = block_.span()) span->layer = layer, span->tokens = tokens;
  }
  Phase(const Forward& f, const char* name, std::int32_t layer, std::uint32_t tokens, const PackedMatrix& matrix)
      : Phase(f, name, layer, tokens) {
    ProfileSpan* span = block_.span();
    if (span == nullptr) return;
    span->rows = matrix.rows, span->columns = matrix.columns;
    span->bytes = matrix.tiles * matrix.tile_bytes;
    span->operations = std::uint64_t{2} * matrix.rows * matrix.columns * tokens;
    span->is_float = !has_codes(matrix.format);
  }
  Phase(const Forward& f, std::int32_t layer, const AttentionPlan& plan)
      : Phase(f, "attention", layer, static_cast<std::uint32_t>(plan.rows().size())) {
    ProfileSpan* span = block_.span();
    if (span == nullptr) return;
    span->bytes = plan.bytes(f.kv.layout);
    span->operations = plan.operations();
    span->is_float = f.kv.layout.type == KvType::kF16;
  }

 private:
  ProfiledBlock block_;
};

// What the layer after a norm reads: codes, rows, or both when its parts differ.
LinearInput normalise(const Forward& f, std::int32_t layer, const float* gain, bool codes, bool floats,
                      std::uint32_t tokens, const std::uint32_t* order = nullptr) {
  Phase phase(f, "norm", layer, tokens);
  StepWorkspace& w = f.workspace;
  const HyperParameters& p = f.model.hyper;
  RowsView x{w.x, w.shape.hidden};
  if (codes) rmsnorm_quantize(f.host, x, gain, p.hidden_size, p.rms_norm_eps, tokens, w.activations, order);
  if (floats) rmsnorm(f.host, x, gain, p.hidden_size, p.rms_norm_eps, tokens, w.normed, w.shape.normed, order);
  return {w.activations, {w.normed, w.shape.normed}};
}

// workspace.x += w rows, or += post_norm(w rows). codes: the rows' own where w takes codes.
void add_projection(const Forward& f, const char* name, std::int32_t layer, const PackedMatrix& matrix,
                    const std::vector<float>& bias, const std::vector<float>& post_norm, const LinearInput& rows,
                    std::uint32_t tokens, FetchAhead* ahead = nullptr) {
  StepWorkspace& w = f.workspace;
  std::size_t width = w.shape.hidden;
  const float* bias_or_null = bias.empty() ? nullptr : bias.data();
  if (post_norm.empty()) {
    Phase phase(f, name, layer, tokens, matrix);
    linear(f.host, matrix, rows, tokens, GemmOutput{w.x, width, Epilogue::kAdd, bias_or_null, ahead});
    return;
  }
  {
    Phase phase(f, name, layer, tokens, matrix);
    linear(f.host, matrix, rows, tokens, GemmOutput{w.projected, width, Epilogue::kStore, bias_or_null, ahead});
  }
  Phase phase(f, "norm", layer, tokens);
  const HyperParameters& p = f.model.hyper;
  add_rmsnorm(f.host, w.projected, width, post_norm.data(), p.hidden_size, p.rms_norm_eps, tokens, w.x, width);
}

// workspace.qkv[:, first_column ...] = w x for each part.
void run_qkv(const Forward& f, std::int32_t layer, const FusedLinear& qkv, const LinearInput& x, std::uint32_t tokens) {
  StepWorkspace& w = f.workspace;
  for (const FusedLinear::Part& part : qkv.parts) {
    Phase phase(f, "q/k/v", layer, tokens, part.matrix);
    linear(f.host, part.matrix, x, tokens,
           GemmOutput{w.qkv + part.first_column, w.shape.qkv, Epilogue::kStore, part.bias_or_null(), f.ahead.data()});
  }
}

// workspace.gate = activation(gate) * up, and its codes where `codes` is not nullptr.
void run_gate_up(const Forward& f, std::int32_t layer, const FusedLinear& gate_up, const LinearInput& x,
                 std::uint32_t tokens, ActivationBlock* codes) {
  StepWorkspace& w = f.workspace;
  std::size_t width = w.shape.intermediate;
  Epilogue how = f.model.activation;
  Phase phase(f, "gate/up", layer, tokens, gate_up.parts[0].matrix);
  if (gate_up.parts.size() == 1) {
    GemmOutput out{w.gate, width, how, nullptr};
    if (codes != nullptr)
      linear_quantize(f.host, gate_up.parts[0].matrix, x, tokens, out, codes);
    else
      linear(f.host, gate_up.parts[0].matrix, x, tokens, out);
    return;
  }
  linear(f.host, gate_up.parts[0].matrix, x, tokens, GemmOutput{w.gate, width, Epilogue::kStore, nullptr});
  linear(f.host, gate_up.parts[1].matrix, x, tokens, GemmOutput{w.up, width, Epilogue::kStore, nullptr});
  gate_mul(f.host, how, {w.gate, width}, {w.up, width}, static_cast<std::uint32_t>(width), tokens, w.gate, width,
           codes);
}

void run_layer(const Forward& f, const AttentionPlan& plan, const AttentionPlan* next, std::uint32_t index,
               std::span<std::uint8_t> poisoned) {
  const HostLayer& layer = f.model.layers[index];
  const auto number = static_cast<std::int32_t>(index);
  StepWorkspace& w = f.workspace;
  std::uint32_t tokens = static_cast<std::uint32_t>(poisoned.size());
  auto codes_for = [&](const PackedMatrix& matrix) { return has_codes(matrix.format) ? w.produced : nullptr; };

  LinearInput x =
      normalise(f, number, layer.attn_norm.data(), layer.qkv.takes_codes(), layer.qkv.takes_floats(), tokens);
  run_qkv(f, number, layer.qkv, x, tokens);
  HeadNorms norms{layer.q_norm.empty() ? nullptr : layer.q_norm.data(),
                  layer.k_norm.empty() ? nullptr : layer.k_norm.data(), f.model.hyper.rms_norm_eps};
  QkvRows qkv{w.qkv, w.shape.qkv, norms, poisoned};
  if (!plan.appends_by_item()) {
    Phase phase(f, "append K/V", number, tokens);
    append_kv(f.host, plan, f.kv, index, qkv);
  }
  {
    Phase phase(f, number, plan);
    attention(f.host, plan, f.kv, index, qkv, w.attention, w.shape.attention, codes_for(layer.o));
  }
  add_projection(f, "o", number, layer.o, layer.o_bias, layer.post_attention_norm,
                 {w.produced, {w.attention, w.shape.attention}}, tokens);

  x = normalise(f, number, layer.ffn_norm.data(), layer.gate_up.takes_codes(), layer.gate_up.takes_floats(), tokens);
  run_gate_up(f, number, layer.gate_up, x, tokens, codes_for(layer.down));
  if (next != nullptr) next->fetch_ahead(f.kv, index + 1, f.ahead);
  add_projection(f, "down", number, layer.down, {}, layer.post_ffw_norm, {w.produced, {w.gate, w.shape.intermediate}},
                 tokens, f.ahead.data());
}

}  // namespace

void embed(const Forward& f, std::span<const TokenId> tokens) {
  Phase phase(f, "embedding", -1, static_cast<std::uint32_t>(tokens.size()));
  f.host.pool.run(static_cast<std::uint32_t>(tokens.size()), [&](std::uint32_t i, std::uint32_t) {
    float* row = f.workspace.x + i * f.workspace.shape.hidden;
    dequantize_row(f.model.embedding_type, f.model.embedding(tokens[i]), f.model.hyper.hidden_size, row);
    if (f.model.embedding_scale == 1.0F) return;
    for (std::uint32_t column = 0; column < f.model.hyper.hidden_size; ++column) row[column] *= f.model.embedding_scale;
  });
}

void run_layers(const Forward& f, std::span<const AttentionPlan> plans, std::span<std::uint8_t> poisoned) {
  std::fill(poisoned.begin(), poisoned.end(), std::uint8_t{0});
  auto layers = static_cast<std::uint32_t>(f.model.layers.size());
  auto plan_of = [&](std::uint32_t layer) -> const AttentionPlan& { return plans[f.model.layers[layer].attention]; };
  plan_of(0).fetch_ahead(f.kv, 0, f.ahead);
  for (std::uint32_t layer = 0; layer < layers; ++layer)
    run_layer(f, plan_of(layer), layer + 1 < layers ? &plan_of(layer + 1) : nullptr, layer, poisoned);
}

void run_pooling(const Forward& f, std::span<PooledRows> inputs) {
  StepWorkspace& w = f.workspace;
  const HyperParameters& p = f.model.hyper;
  auto row_of = [&](std::uint32_t row) { return w.x + std::size_t{row} * w.shape.hidden; };
  auto normalise_row = [&](std::uint32_t row) {
    f.host.kernels.rmsnorm(row_of(row), f.model.output_norm.data(), p.hidden_size, p.rms_norm_eps, row_of(row));
  };
  for (PooledRows& input : inputs) {
    std::uint32_t last = input.first_row + input.rows - 1;
    if (input.sum == nullptr) {
      if (input.out != nullptr) normalise_row(last);
      continue;
    }
    Phase phase(f, "norm", -1, input.rows);
    f.host.pool.run(input.rows, [&](std::uint32_t i, std::uint32_t) { normalise_row(input.first_row + i); });
  }
  Phase phase(f, "pool", -1, static_cast<std::uint32_t>(inputs.size()));
  f.host.pool.run(static_cast<std::uint32_t>(inputs.size()), [&](std::uint32_t i, std::uint32_t) {
    PooledRows& input = inputs[i];
    const float* pooled = row_of(input.first_row + input.rows - 1);
    if (input.sum != nullptr) {
      if (input.begins) std::fill_n(input.sum, p.hidden_size, 0.0F);
      add_rows(row_of(input.first_row), w.shape.hidden, input.rows, p.hidden_size, input.sum);
      pooled = input.sum;
    }
    if (input.out != nullptr) input.is_finite = unit_vector(pooled, input.count, p.hidden_size, input.out);
  });
}

void run_head(const Forward& f, std::span<const std::uint32_t> rows) {
  StepWorkspace& w = f.workspace;
  std::uint32_t count = static_cast<std::uint32_t>(rows.size());
  bool codes = has_codes(f.model.head.format);
  LinearInput x = normalise(f, -1, f.model.output_norm.data(), codes, !codes, count, rows.data());
  Phase phase(f, "head", -1, count, f.model.head);
  linear_logits(f.host, f.model.head, x, count, GemmOutput{w.logits, w.shape.vocab, Epilogue::kStore, nullptr},
                logit_cap(f.model.hyper.final_logit_softcapping), w.peak_pieces, w.peaks);
}

}  // namespace troupe
