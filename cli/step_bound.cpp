#include "cli/step_bound.hpp"

#include <algorithm>

namespace troupe {
namespace {

double rate_of(PackedFormat format, const KernelBounds& bounds) {
  const PackedLayout layout = layout_of(format);
  if (layout.codes == Codes::kNibble) return layout.has_min ? bounds.nibbles_with_min : bounds.nibbles;
  return layout.codes == Codes::kByte ? bounds.bytes : 0;
}

}  // namespace

double least_seconds(const HostModel& model, const KernelBounds& bounds, double bandwidth, const StepWork& work) {
  if (bounds.attention <= 0 || bandwidth <= 0 || model.kv_layout.type != KvType::kInt8) return 0;
  double sum = 0;
  bool is_known = true;
  auto add = [&](const PackedMatrix& matrix, double tokens) {
    const double rate = rate_of(matrix.format, bounds);
    is_known = is_known && rate > 0;
    if (!is_known) return;
    const double bytes = static_cast<double>(matrix.tiles * matrix.tile_bytes);
    sum += std::max(bytes / bandwidth, 2.0 * matrix.rows * matrix.columns * tokens / rate);
  };
  for (const HostLayer& layer : model.layers) {
    for (const FusedLinear* linear : {&layer.qkv, &layer.gate_up})
      for (const FusedLinear::Part& part : linear->parts) add(part.matrix, work.tokens);
    add(layer.o, work.tokens);
    add(layer.down, work.tokens);
  }
  add(model.head, work.sampled);
  const HyperParameters& p = model.hyper;
  const double attended = 4.0 * work.seen * p.num_attention_heads * p.head_dim * p.num_hidden_layers;
  sum += std::max(work.kv_bytes / bandwidth, attended / bounds.attention);
  return is_known ? sum : 0;
}

}  // namespace troupe
