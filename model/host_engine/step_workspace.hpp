#pragma once
// Every buffer a step writes, allocated once for the largest step. Rows of floats are padded to whole 16s.
#include <cstddef>
#include <cstdint>

#include "gpu/host/phases.hpp"
#include "model/architectures/model_description.hpp"
#include "model/host_engine/memory_plan.hpp"
#include "tensor/storage.hpp"

namespace troupe {

// Widths of a model's activations, in floats.
struct WorkspaceShape {
  std::size_t hidden = 0;
  std::size_t qkv = 0;        // (heads + 2 * kv_heads) * head_dim
  std::size_t attention = 0;  // heads * head_dim
  std::size_t intermediate = 0;
  std::size_t separate_up = 0;  // intermediate when a layer's gate and up have different types, else 0
  std::size_t normed = 0;       // hidden when some weights are floats, else 0
  std::size_t projected = 0;    // hidden when norms stand behind layers, else 0
  std::size_t vocab = 0;        // padded to an odd number of 16s: rows do not meet in the same sets of a cache
  std::size_t vocab_size = 0;

  static WorkspaceShape of(const HyperParameters& hyper, bool separate_gate_up, bool has_floats, bool post_norms);
};

// Of the attention of all layers, but for the rotary table and the scale.
AttentionShape attention_shape(const HyperParameters& hyper);

class StepWorkspace {
 public:
  static Result<StepWorkspace> make(const WorkspaceShape& shape, const HostLimits& limits);
  // Of make(), and of the samplers and books of a runner with these limits.
  static std::uint64_t bytes(const WorkspaceShape& shape, const HostLimits& limits);

  WorkspaceShape shape;
  std::uint32_t head_rows = 0;             // rows of `logits`
  float* x = nullptr;                      // [tokens_max][hidden], the residual stream
  float* qkv = nullptr;                    // [tokens_max][qkv]
  float* attention = nullptr;              // [tokens_max][attention]
  float* gate = nullptr;                   // [tokens_max][intermediate], later gate * up
  float* up = nullptr;                     // [tokens_max][separate_up]
  float* normed = nullptr;                 // [tokens_max][normed], for weights that are floats
  float* projected = nullptr;              // [tokens_max][projected], what a norm behind a layer reads
  float* logits = nullptr;                 // [head_rows][vocab]
  float* sums = nullptr;                   // [rows_max][hidden], of means: from one step to the next
  LogitsPeak* peaks = nullptr;             // [head_rows]
  LogitsPeak* peak_pieces = nullptr;       // [logits_pieces_max(threads)][head_rows]
  ActivationBlock* activations = nullptr;  // of what a norm gives
  ActivationBlock* produced = nullptr;     // of what attention and gate * up give

 private:
  Storage storage_;
};

}  // namespace troupe
