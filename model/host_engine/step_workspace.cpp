#include "model/host_engine/step_workspace.hpp"

#include <algorithm>

#include "gpu/host/packed_matrix.hpp"
#include "model/sampler/sampler.hpp"
#include "tensor/shape.hpp"

namespace troupe {
namespace {

struct Sizes {
  std::uint64_t x, qkv, attention, gate, up, normed, projected, logits, sums, peaks, peak_pieces, activations, produced;
  std::uint64_t sum() const {
    return x + qkv + attention + gate + up + normed + projected + logits + sums + peaks + peak_pieces + activations +
           produced;
  }
};

Sizes sizes_of(const WorkspaceShape& shape, const HostLimits& limits) {
  auto floats = [](std::uint64_t rows, std::uint64_t width) {
    return round_up(rows * width * sizeof(float), kCacheLine);
  };
  auto widest = static_cast<std::uint32_t>(std::max(shape.attention, shape.intermediate));
  std::uint64_t head_rows = std::min(limits.rows_max, kHeadRowsMax);
  std::uint64_t tokens = limits.tokens_max;
  return {floats(tokens, shape.hidden),
          floats(tokens, shape.qkv),
          floats(tokens, shape.attention),
          floats(tokens, shape.intermediate),
          floats(tokens, shape.separate_up),
          floats(tokens, shape.normed),
          floats(tokens, shape.projected),
          floats(head_rows, shape.vocab),
          floats(limits.rows_max, shape.hidden),
          round_up(head_rows * sizeof(LogitsPeak), kCacheLine),
          round_up(head_rows * logits_pieces_max(limits.threads) * sizeof(LogitsPeak), kCacheLine),
          activation_bytes(limits.tokens_max, static_cast<std::uint32_t>(shape.hidden)),
          activation_bytes(limits.tokens_max, widest)};
}

}  // namespace

AttentionShape attention_shape(const HyperParameters& hyper) {
  AttentionShape shape;
  shape.heads = hyper.num_attention_heads;
  shape.kv_heads = hyper.num_key_value_heads;
  shape.head_dim = hyper.head_dim;
  shape.cap = score_cap(hyper.attn_logit_softcapping);
  return shape;
}

WorkspaceShape WorkspaceShape::of(const HyperParameters& p, bool separate_gate_up, bool has_floats, bool post_norms) {
  WorkspaceShape shape;
  shape.hidden = p.hidden_size;
  shape.attention = std::size_t{p.num_attention_heads} * p.head_dim;
  shape.qkv = shape.attention + std::size_t{2} * p.num_key_value_heads * p.head_dim;
  shape.intermediate = p.intermediate_size;
  shape.separate_up = separate_gate_up ? p.intermediate_size : 0;
  shape.normed = has_floats ? p.hidden_size : 0;
  shape.projected = post_norms ? p.hidden_size : 0;
  shape.vocab = (padded_rows(p.vocab_size) / kTileRows | 1U) * kTileRows;
  shape.vocab_size = p.vocab_size;
  return shape;
}

std::uint64_t StepWorkspace::bytes(const WorkspaceShape& shape, const HostLimits& limits) {
  std::uint64_t vectors = std::uint64_t{limits.rows_max} * shape.hidden * sizeof(float);  // of a step's result
  return sizes_of(shape, limits).sum() + vectors +
         limits.threads * Sampler::workspace_bytes(static_cast<std::uint32_t>(shape.vocab_size));
}

Result<StepWorkspace> StepWorkspace::make(const WorkspaceShape& shape, const HostLimits& limits) {
  Sizes sizes = sizes_of(shape, limits);
  auto storage = Storage::allocate(sizes.sum());
  if (!storage) return storage.error();
  StepWorkspace workspace;
  workspace.shape = shape;
  workspace.head_rows = std::min(limits.rows_max, kHeadRowsMax);
  std::byte* next = storage->data();
  auto take = [&next](std::uint64_t bytes) {
    std::byte* start = next;
    next += bytes;
    return start;
  };
  workspace.x = reinterpret_cast<float*>(take(sizes.x));
  workspace.qkv = reinterpret_cast<float*>(take(sizes.qkv));
  workspace.attention = reinterpret_cast<float*>(take(sizes.attention));
  workspace.gate = reinterpret_cast<float*>(take(sizes.gate));
  workspace.up = reinterpret_cast<float*>(take(sizes.up));
  workspace.normed = reinterpret_cast<float*>(take(sizes.normed));
  workspace.projected = reinterpret_cast<float*>(take(sizes.projected));
  workspace.logits = reinterpret_cast<float*>(take(sizes.logits));
  workspace.sums = reinterpret_cast<float*>(take(sizes.sums));
  workspace.peaks = reinterpret_cast<LogitsPeak*>(take(sizes.peaks));
  workspace.peak_pieces = reinterpret_cast<LogitsPeak*>(take(sizes.peak_pieces));
  workspace.activations = reinterpret_cast<ActivationBlock*>(take(sizes.activations));
  workspace.produced = reinterpret_cast<ActivationBlock*>(take(sizes.produced));
  workspace.storage_ = std::move(*storage);
  return workspace;
}

}  // namespace troupe
