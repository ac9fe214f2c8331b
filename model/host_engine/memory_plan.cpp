#include "model/host_engine/memory_plan.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "gpu/host/kv_layout.hpp"
#include "gpu/host/packed_matrix.hpp"
#include "model/host_engine/step_workspace.hpp"
#include "runtime/step_plan.hpp"

namespace troupe {
namespace {

std::array<const GgufTensor*, 7> matrices_of(const LayerTensors& t) {
  return {t.attn_q, t.attn_k, t.attn_v, t.attn_output, t.ffn_gate, t.ffn_up, t.ffn_down};
}

std::uint64_t weights_bytes(const ModelDescription& model, std::uint32_t context, const HostFormats& formats) {
  auto packed = [&](const GgufTensor& tensor, bool is_head) {
    return packed_bytes(formats.weights_for(tensor.type, is_head), tensor.shape[1], tensor.shape[0]);
  };
  std::uint64_t bytes = model.token_embd->byte_count + packed(*model.output, true);
  for (const LayerTensors& t : model.layers)
    for (const GgufTensor* tensor : matrices_of(t)) bytes += packed(*tensor, false);
  std::uint64_t norms_each = model.layers.front().post_attention_norm == nullptr ? 2 : 4;
  std::uint64_t norm_bytes = (norms_each * model.layers.size() + 1) * model.hyper.hidden_size * sizeof(float);
  for (const AttentionDescription& kind : model.attention)
    bytes += std::uint64_t{context} * kind.rope.dims * sizeof(float);
  return bytes + norm_bytes;
}

std::string mib(std::uint64_t bytes) { return std::to_string((bytes + (1U << 20) - 1) >> 20) + " MiB"; }

WorkspaceShape workspace_shape(const ModelDescription& model, const HostFormats& formats) {
  bool separate_up = false, floats = is_float(formats.weights_for(model.output->type, true));
  for (const LayerTensors& t : model.layers) {
    separate_up = separate_up || t.ffn_gate->type != t.ffn_up->type;
    for (const GgufTensor* tensor : matrices_of(t))
      floats = floats || is_float(formats.weights_for(tensor->type, false));
  }
  return WorkspaceShape::of(model.hyper, separate_up, floats, model.layers.front().post_attention_norm != nullptr);
}

Error does_not_fit(const MemoryPlan& plan, std::uint64_t available, const std::string& would_fit) {
  return Error{ErrorCode::kConfiguration,
               "the model needs " + mib(plan.weights_bytes) + " for weights, " + mib(plan.workspace_bytes) +
                   " of workspace and " + mib(plan.kv_bytes()) + " for K/V, " + mib(plan.total_bytes()) + " in all; " +
                   mib(available) + " are available. " + would_fit,
               "", 0};
}

std::uint32_t blocks_of(std::uint64_t bytes, std::uint64_t block_bytes) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes / block_bytes, 0xFFFFFFFEU));
}

// K/V by the setting: exactly what was asked for, or a refusal.
Result<MemoryPlan> with_asked_kv(MemoryPlan plan, const MemoryBudget& budget) {
  std::uint64_t least = kKvBlocksMin * plan.kv_block_bytes;
  plan.kv_blocks = blocks_of(budget.kv_bytes, plan.kv_block_bytes);
  if (plan.kv_blocks < kKvBlocksMin)
    return Error{ErrorCode::kConfiguration,
                 "kv.memory is " + std::to_string(budget.kv_bytes) + " bytes; the least for this model is " +
                     std::to_string(least) + " bytes (" + std::to_string(kKvBlocksMin * kBlockSize) + " tokens)",
                 "kv.memory", 0};
  if (plan.total_bytes() <= budget.available_bytes) return plan;
  std::uint64_t fixed = plan.weights_bytes + plan.workspace_bytes;
  std::uint64_t left = budget.available_bytes > fixed ? budget.available_bytes - fixed : 0;
  std::string advice = left >= least ? "kv.memory up to " + std::to_string(left) + " bytes would fit."
                                     : "No kv.memory would fit: the process needs at least " + mib(fixed + least) + ".";
  return does_not_fit(plan, budget.available_bytes, advice);
}

}  // namespace

Result<MemoryPlan> plan_memory(const ModelDescription& model, const HostLimits& limits, const MemoryBudget& budget) {
  MemoryPlan plan;
  plan.context =
      limits.context == 0 ? model.hyper.context_length : std::min(limits.context, model.hyper.context_length);
  plan.weights_bytes = weights_bytes(model, plan.context, limits.formats);
  plan.kv_type = limits.formats.kv_for(model.layers.front().attn_k->type);
  KvLayout layout{model.hyper.num_hidden_layers, model.hyper.num_key_value_heads, model.hyper.head_dim, plan.kv_type};
  plan.kv_block_bytes = layout.block_bytes();
  plan.workspace_bytes =
      StepWorkspace::bytes(workspace_shape(model, limits.formats), limits) +
      model.attention.size() * AttentionPlan::partial_bytes(attention_shape(model.hyper), plan.context, limits.threads);
  if (budget.kv_bytes > 0) return with_asked_kv(plan, budget);

  plan.kv_blocks = kKvBlocksMin;
  if (plan.total_bytes() > budget.available_bytes)
    return does_not_fit(plan, budget.available_bytes,
                        "A memory limit of " + mib(plan.total_bytes()) + " would just fit, with K/V for " +
                            std::to_string(kKvBlocksMin * kBlockSize) + " tokens.");
  std::uint64_t context_blocks = (plan.context + kBlockSize - 1) / kBlockSize;
  std::uint64_t left = budget.available_bytes - plan.weights_bytes - plan.workspace_bytes;
  std::uint64_t wanted = kContextsDefault * context_blocks * plan.kv_block_bytes;
  plan.kv_blocks =
      std::max(kKvBlocksMin, blocks_of(std::min({wanted, left, budget.available_bytes / 4}), plan.kv_block_bytes));
  return plan;
}

}  // namespace troupe
