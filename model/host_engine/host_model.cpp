#include "model/host_engine/host_model.hpp"

#include <algorithm>
#include <cstring>

#include "gpu/host/kernels.hpp"
#include "model/architectures/tensor_lookup.hpp"
#include "model/host_engine/content_hash.hpp"
#include "model/host_engine/numerics_class.hpp"
#include "model/host_engine/pack_jobs.hpp"
#include "model/host_engine/row_order.hpp"

namespace troupe {
namespace {

// A linear layer with several parts: one matrix when the types allow it.
struct LinearPart {
  const GgufTensor* tensor;
  RowOrder order;
  const GgufTensor* bias = nullptr;
};

void fuse(const std::string& name, const std::vector<LinearPart>& parts, FusedLinear& linear, PackJobs& jobs) {
  bool same =
      std::all_of(parts.begin(), parts.end(), [&](auto& part) { return part.tensor->type == parts[0].tensor->type; });
  bool biased = std::any_of(parts.begin(), parts.end(), [](auto& part) { return part.bias != nullptr; });
  linear.parts.resize(same ? 1 : parts.size());
  RowPointers rows;
  std::vector<float> bias;
  std::uint32_t column = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    RowPointers own = rows_of(*parts[i].tensor, parts[i].order);
    rows.insert(rows.end(), own.begin(), own.end());
    std::size_t first = bias.size();
    bias.resize(first + own.size(), 0.0F);
    if (parts[i].bias != nullptr) {
      std::vector<float> values(own.size());
      dequantize_row(parts[i].bias->type, parts[i].bias->row(0), values.size(), values.data());
      for (std::size_t row = 0; row < own.size(); ++row) bias[first + row] = values[parts[i].order[row]];
    }
    if (same && i + 1 < parts.size()) continue;
    FusedLinear::Part& part = linear.parts[same ? 0 : i];
    part.first_column = column;
    column += static_cast<std::uint32_t>(rows.size());
    jobs.add(name, *parts[same ? 0 : i].tensor, std::move(rows), part.matrix);
    bias.resize(padded_rows(static_cast<std::uint32_t>(bias.size())), 0.0F);
    if (biased) part.bias = bias;
    rows.clear();
    bias.clear();
  }
  for (std::size_t i = 1; same && i < parts.size(); ++i) jobs.also_reads(*parts[i].tensor);
}

void add_gate_up(const std::string& name, const LayerTensors& t, FusedLinear& linear, PackJobs& jobs) {
  if (t.ffn_gate->type != t.ffn_up->type) {
    fuse(name, {{t.ffn_gate, file_order(t.ffn_gate->rows())}, {t.ffn_up, file_order(t.ffn_up->rows())}}, linear, jobs);
    return;
  }
  linear.parts.resize(1);
  jobs.add(name, *t.ffn_gate, interleave_gate_up(rows_of(*t.ffn_gate), rows_of(*t.ffn_up)), linear.parts[0].matrix);
  jobs.also_reads(*t.ffn_up);
}

void add_jobs(const ModelDescription& description, HostModel& model, PackJobs& jobs) {
  jobs.add(description.is_tied() ? "token_embd.weight" : "output.weight", *description.output,
           rows_of(*description.output), model.head, true);
  for (std::size_t i = 0; i < description.layers.size(); ++i) {
    const LayerTensors& t = description.layers[i];
    HostLayer& layer = model.layers[i];
    std::string prefix = "blk." + std::to_string(i) + ".";
    auto half_split = [&](const GgufTensor& tensor) {
      return half_split_order(tensor.rows(), description.hyper.head_dim, description.rope_pairs);
    };
    fuse(prefix + "attn_q/k/v.weight",
         {{t.attn_q, half_split(*t.attn_q), t.attn_q_bias},
          {t.attn_k, half_split(*t.attn_k), t.attn_k_bias},
          {t.attn_v, file_order(t.attn_v->rows()), t.attn_v_bias}},
         layer.qkv, jobs);
    jobs.add(prefix + "attn_output.weight", *t.attn_output, rows_of(*t.attn_output), layer.o);
    add_gate_up(prefix + "ffn_gate/up.weight", t, layer.gate_up, jobs);
    jobs.add(prefix + "ffn_down.weight", *t.ffn_down, rows_of(*t.ffn_down), layer.down);
  }
}

// Vectors by name; an error stays.
class VectorReader {
 public:
  void read(const std::string& name, const GgufTensor* tensor, std::vector<float>& target) {
    if (tensor == nullptr || !status_) return;
    auto values = read_vector(name, *tensor);
    if (values)
      target = std::move(*values);
    else
      status_ = values.error();
  }
  const Status& status() const { return status_; }

 private:
  Status status_;
};

Status read_vectors(const ModelDescription& description, HostModel& model) {
  VectorReader reader;
  std::vector<float> checked;
  for (std::size_t i = 0; i < description.layers.size(); ++i) {
    std::string prefix = "blk." + std::to_string(i) + ".";
    const LayerTensors& t = description.layers[i];
    HostLayer& layer = model.layers[i];
    reader.read(prefix + "attn_norm.weight", t.attn_norm, layer.attn_norm);
    reader.read(prefix + "attn_q_norm.weight", t.attn_q_norm, layer.q_norm);
    reader.read(prefix + "attn_k_norm.weight", t.attn_k_norm, layer.k_norm);
    reader.read(prefix + "post_attention_norm.weight", t.post_attention_norm, layer.post_attention_norm);
    reader.read(prefix + "ffn_norm.weight", t.ffn_norm, layer.ffn_norm);
    reader.read(prefix + "post_ffw_norm.weight", t.post_ffw_norm, layer.post_ffw_norm);
    reader.read(prefix + "attn_output.bias", t.attn_output_bias, layer.o_bias);
    if (!layer.o_bias.empty()) layer.o_bias.resize(padded_rows(description.hyper.hidden_size), 0.0F);
    for (const GgufTensor* bias : {t.attn_q_bias, t.attn_k_bias, t.attn_v_bias})
      reader.read(prefix + "attn_q/k/v.bias", bias, checked);
    layer.attention = t.attention;
  }
  reader.read("output_norm.weight", description.output_norm, model.output_norm);
  return reader.status();
}

Status copy_embeddings(const GgufTensor& tensor, HostModel& model) {
  auto storage = Storage::allocate(tensor.byte_count);
  if (!storage) return storage.error();
  std::memcpy(storage->data(), tensor.bytes.data(), tensor.byte_count);
  model.embeddings = std::move(*storage);
  model.embedding_type = tensor.type;
  model.embedding_row_bytes = tensor.row_bytes();
  return {};
}

Status make_attention(const ModelDescription& description, HostModel& model) {
  for (const AttentionDescription& kind : description.attention) {
    const RopeDescription& rope = kind.rope;
    std::uint32_t context = model.hyper.context_length;
    auto table = RopeTable::make(
        {context, rope.dims, rope.theta, rope.linear_factor, rope.magnitude, rope.divisors_for(context)});
    if (!table) return table.error();
    model.attention.push_back({std::move(*table), kind.window});
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const HostModel>> make_host_model(const ModelDescription& description,
                                                         const TensorTable& tensors,
                                                         std::span<const std::uint8_t> header, std::uint32_t context,
                                                         const HostFormats& formats, ThreadPool& pool,
                                                         const LoadProgress& progress, const ForgetBytes& forget) {
  auto model = std::make_shared<HostModel>();
  const HyperParameters& p = description.hyper;
  model->hyper = p;
  model->hyper.context_length = std::min(context, p.context_length);
  KvType kv_type = formats.kv_for(description.layers.front().attn_k->type);
  model->kv_layout = {p.num_hidden_layers, p.num_key_value_heads, p.head_dim, kv_type};
  model->layers.resize(description.layers.size());
  model->score_scale = score_scale(p.head_dim, p.attention_scale, kv_type);
  model->embedding_scale = description.embedding_scale;
  model->activation = description.activation == Activation::kGelu ? Epilogue::kGeluMul : Epilogue::kSiluMul;
  if (Status status = make_attention(description, *model); !status) return status.error();

  PackJobs jobs(formats, *model);
  add_jobs(description, *model, jobs);
  pool.begin_step();
  std::uint64_t hash = content_hash(tensors, pool, forget);
  Status packed = jobs.run(pool, progress, forget);
  pool.end_step();
  if (!packed) return packed.error();
  jobs.count(model->packed);
  if (Status status = read_vectors(description, *model); !status) return status.error();
  if (Status status = copy_embeddings(*description.token_embd, *model); !status) return status.error();
  if (forget) forget(description.token_embd->bytes);

  model->weights_bytes = model->embeddings.size() + model->arena.bytes_used();
  model->numerics_class =
      numerics_class(header, hash, description, model->hyper.context_length, formats.weights, kv_type);
  return std::shared_ptr<const HostModel>(std::move(model));
}

}  // namespace troupe
