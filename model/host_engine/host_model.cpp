#include "model/host_engine/host_model.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "gpu/host/kernels.hpp"
#include "model/architectures/tensor_lookup.hpp"
#include "model/gguf/load_error.hpp"
#include "model/host_engine/content_hash.hpp"
#include "model/host_engine/numerics_class.hpp"
#include "model/host_engine/row_order.hpp"

namespace troupe {
namespace {

// One matrix to pack: rows of one type, in order.
struct PackJob {
  std::string name;
  DType type;
  std::uint32_t columns;
  RowPointers rows;
  PackedMatrix* target;
  std::uint64_t bytes;  // in the file
  std::vector<std::span<const std::byte>> sources;
};

std::uint32_t columns_of(const GgufTensor& tensor) { return static_cast<std::uint32_t>(tensor.shape[0]); }

PackJob job_of(std::string name, const GgufTensor& tensor, RowPointers rows, PackedMatrix& target) {
  std::uint64_t bytes = rows.size() * tensor.row_bytes();
  return {std::move(name), tensor.type, columns_of(tensor), std::move(rows), &target, bytes, {tensor.bytes}};
}

// Adds the jobs of a linear layer with several parts: one matrix when the types allow it.
void fuse(const std::string& name, std::vector<std::pair<const GgufTensor*, RowPointers>> parts, FusedLinear& linear,
          std::vector<PackJob>& jobs) {
  bool same =
      std::all_of(parts.begin(), parts.end(), [&](auto& part) { return part.first->type == parts[0].first->type; });
  linear.parts.resize(same ? 1 : parts.size());
  std::uint32_t column = 0;
  for (std::size_t i = 1; same && i < parts.size(); ++i)
    parts[0].second.insert(parts[0].second.end(), parts[i].second.begin(), parts[i].second.end());
  for (std::size_t i = 0; i < linear.parts.size(); ++i) {
    linear.parts[i].first_column = column;
    column += static_cast<std::uint32_t>(parts[i].second.size());
    jobs.push_back(job_of(name, *parts[i].first, std::move(parts[i].second), linear.parts[i].matrix));
  }
  for (std::size_t i = 1; same && i < parts.size(); ++i) jobs.back().sources.push_back(parts[i].first->bytes);
}

void add_gate_up(const std::string& name, const LayerTensors& t, FusedLinear& linear, std::vector<PackJob>& jobs) {
  RowPointers gate = rows_of(*t.ffn_gate), up = rows_of(*t.ffn_up);
  if (t.ffn_gate->type != t.ffn_up->type) {
    fuse(name, {{t.ffn_gate, std::move(gate)}, {t.ffn_up, std::move(up)}}, linear, jobs);
    return;
  }
  linear.parts.resize(1);
  jobs.push_back(job_of(name, *t.ffn_gate, interleave_gate_up(gate, up), linear.parts[0].matrix));
  jobs.back().sources.push_back(t.ffn_up->bytes);
}

std::vector<PackJob> list_jobs(const ModelDescription& description, HostModel& model) {
  std::vector<PackJob> jobs;
  jobs.push_back(job_of(description.is_tied() ? "token_embd.weight" : "output.weight", *description.output,
                        rows_of(*description.output), model.head));
  for (std::size_t i = 0; i < description.layers.size(); ++i) {
    const LayerTensors& t = description.layers[i];
    HostLayer& layer = model.layers[i];
    std::string prefix = "blk." + std::to_string(i) + ".";
    std::uint32_t head_dim = description.hyper.head_dim;
    fuse(prefix + "attn_q/k/v.weight",
         {{t.attn_q, half_split_rows(*t.attn_q, head_dim, description.rope_pairs)},
          {t.attn_k, half_split_rows(*t.attn_k, head_dim, description.rope_pairs)},
          {t.attn_v, rows_of(*t.attn_v)}},
         layer.qkv, jobs);
    jobs.push_back(job_of(prefix + "attn_output.weight", *t.attn_output, rows_of(*t.attn_output), layer.o));
    add_gate_up(prefix + "ffn_gate/up.weight", t, layer.gate_up, jobs);
    jobs.push_back(job_of(prefix + "ffn_down.weight", *t.ffn_down, rows_of(*t.ffn_down), layer.down));
  }
  return jobs;
}

// Every thread packs into its own arena. The first error wins.
Status run_jobs(std::vector<PackJob>& jobs, HostModel& model, ThreadPool& pool, const LoadProgress& progress,
                const ForgetBytes& forget) {
  // The longest first: the last ones to be claimed are short.
  std::stable_sort(jobs.begin(), jobs.end(), [](const PackJob& a, const PackJob& b) { return a.bytes > b.bytes; });
  std::uint64_t bytes_total = 1;
  for (const PackJob& job : jobs) bytes_total += job.bytes;
  std::atomic<std::uint64_t> bytes_done = 0;
  std::vector<Status> outcomes(jobs.size());
  model.arenas.resize(pool.threads());
  pool.run(static_cast<std::uint32_t>(jobs.size()), [&](std::uint32_t tile, std::uint32_t thread) {
    PackJob& job = jobs[tile];
    auto packed = pack_matrix(job.type, job.columns, job.rows, model.arenas[thread]);
    if (packed)
      *job.target = *packed;
    else
      outcomes[tile] = load_error(job.name, packed.error().message);
    for (const auto& source : job.sources) {
      if (forget) forget(source);
    }
    std::uint64_t done = bytes_done.fetch_add(job.bytes) + job.bytes;
    if (thread == 0 && progress) progress(static_cast<double>(done) / static_cast<double>(bytes_total));
  });
  for (Status& outcome : outcomes)
    if (!outcome) return outcome;
  for (const PackJob& job : jobs) {
    PackedShare& share = model.packed[static_cast<std::size_t>(job.target->format)];
    share.matrices += 1;
    share.bytes += job.target->tiles * job.target->tile_bytes;
  }
  if (progress) progress(1.0);
  return {};
}

Status read_norms(const ModelDescription& description, HostModel& model) {
  auto read = [](const std::string& name, const GgufTensor& tensor, std::vector<float>& target) -> Status {
    auto values = read_vector(name, tensor);
    if (!values) return values.error();
    target = std::move(*values);
    return {};
  };
  for (std::size_t i = 0; i < description.layers.size(); ++i) {
    std::string prefix = "blk." + std::to_string(i) + ".";
    const LayerTensors& t = description.layers[i];
    if (Status s = read(prefix + "attn_norm.weight", *t.attn_norm, model.layers[i].attn_norm); !s) return s;
    if (Status s = read(prefix + "ffn_norm.weight", *t.ffn_norm, model.layers[i].ffn_norm); !s) return s;
  }
  return read("output_norm.weight", *description.output_norm, model.output_norm);
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

}  // namespace

Result<std::shared_ptr<const HostModel>> make_host_model(const ModelDescription& description,
                                                         const TensorTable& tensors,
                                                         std::span<const std::uint8_t> header, std::uint32_t context,
                                                         ThreadPool& pool, const LoadProgress& progress,
                                                         const ForgetBytes& forget) {
  auto model = std::make_shared<HostModel>();
  const HyperParameters& p = description.hyper;
  model->hyper = p;
  model->hyper.context_length = std::min(context, p.context_length);
  model->kv_layout = {p.num_hidden_layers, p.num_key_value_heads, p.head_dim};
  model->layers.resize(description.layers.size());
  model->score_scale = score_scale(p.head_dim, p.attention_scale);
  auto rope = RopeTable::make(
      {model->hyper.context_length, p.head_dim, p.rope_theta, p.rope_linear_factor, 1.0, description.rope_divisors});
  if (!rope) return rope.error();
  model->rope = std::move(*rope);

  std::vector<PackJob> jobs = list_jobs(description, *model);
  pool.begin_step();
  std::uint64_t hash = content_hash(tensors, pool, forget);
  Status packed = run_jobs(jobs, *model, pool, progress, forget);
  pool.end_step();
  if (!packed) return packed.error();
  if (Status status = read_norms(description, *model); !status) return status.error();
  if (Status status = copy_embeddings(*description.token_embd, *model); !status) return status.error();
  if (forget) forget(description.token_embd->bytes);

  model->weights_bytes = model->embeddings.size();
  for (const Arena& arena : model->arenas) model->weights_bytes += arena.bytes_used();
  model->numerics_class = numerics_class(header, hash, p);
  return std::shared_ptr<const HostModel>(std::move(model));
}

}  // namespace troupe
