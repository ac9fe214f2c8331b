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

constexpr std::uint32_t kPieceRows = 1024;  // packed by one thread at a time

// One matrix to pack: rows of one type, in order.
struct PackJob {
  std::string name;
  DType from, as;
  RowPointers rows;
  std::vector<std::span<const std::byte>> sources;
  BlankMatrix target = {};
  std::atomic<std::uint32_t> pieces_left = 0;
};

class PackJobs {
 public:
  PackJobs(const HostFormats& formats, HostModel& model) : formats_(formats), model_(model) {}

  void add(std::string name, const GgufTensor& tensor, RowPointers rows, PackedMatrix& target, bool is_head = false) {
    auto job = std::make_unique<PackJob>();
    job->name = std::move(name);
    job->from = tensor.type;
    job->as = formats_.weights_for(tensor.type, is_head);
    job->rows = std::move(rows);
    job->sources = {tensor.bytes};
    auto blank = allocate_matrix(job->as, static_cast<std::uint32_t>(tensor.shape[0]), job->rows.size(), model_.arena);
    if (!blank) {
      if (error_.ok()) error_ = load_error(job->name, blank.error().message);
      return;
    }
    job->target = *blank;
    target = blank->matrix;
    jobs_.push_back(std::move(job));
  }
  // The job added last also reads this tensor.
  void also_reads(const GgufTensor& tensor) {
    if (error_.ok()) jobs_.back()->sources.push_back(tensor.bytes);
  }

  // The first error wins.
  Status run(ThreadPool& pool, const LoadProgress& progress, const ForgetBytes& forget) {
    if (!error_.ok()) return error_;
    std::vector<Piece> pieces = cut();
    std::vector<Status> outcomes(pieces.size());
    std::atomic<std::size_t> done = 0;
    pool.run(static_cast<std::uint32_t>(pieces.size()), [&](std::uint32_t i, std::uint32_t thread) {
      PackJob& job = *pieces[i].job;
      auto rows = std::span(job.rows).subspan(pieces[i].first, pieces[i].rows);
      if (Status packed = pack_rows(job.target, job.from, job.as, rows, pieces[i].first); !packed)
        outcomes[i] = load_error(job.name, packed.error().message);
      if (job.pieces_left.fetch_sub(1) == 1 && forget) std::for_each(job.sources.begin(), job.sources.end(), forget);
      auto fraction = static_cast<double>(done.fetch_add(1) + 1) / static_cast<double>(pieces.size());
      if (thread == 0 && progress) progress(fraction);
    });
    for (Status& outcome : outcomes)
      if (!outcome) return outcome;
    if (progress) progress(1.0);
    return {};
  }

  void count(std::array<PackedShare, kPackedFormats>& shares) const {
    for (const auto& job : jobs_) {
      const PackedMatrix& matrix = job->target.matrix;
      PackedShare& share = shares[static_cast<std::size_t>(matrix.format)];
      share.matrices += 1;
      share.bytes += matrix.tiles * matrix.tile_bytes;
    }
  }

 private:
  struct Piece {
    PackJob* job;
    std::uint32_t first, rows;
  };

  std::vector<Piece> cut() {
    std::vector<Piece> pieces;
    std::uint32_t piece_rows = kPieceRows;  // more for models so large that there were too many pieces
    std::uint64_t rows_all = 0;
    for (const auto& job : jobs_) rows_all += job->rows.size() + kPieceRows;
    while (rows_all / piece_rows > ThreadPool::kTilesMax / 2) piece_rows *= 2;
    for (const auto& job : jobs_) {
      auto rows = static_cast<std::uint32_t>(job->rows.size());
      job->pieces_left = (rows + piece_rows - 1) / piece_rows;
      for (std::uint32_t first = 0; first < rows; first += piece_rows)
        pieces.push_back({job.get(), first, std::min(piece_rows, rows - first)});
    }
    return pieces;
  }

  const HostFormats& formats_;
  HostModel& model_;
  std::vector<std::unique_ptr<PackJob>> jobs_;
  Status error_;
};

// A linear layer with several parts: one matrix when the types allow it.
void fuse(const std::string& name, std::vector<std::pair<const GgufTensor*, RowPointers>> parts, FusedLinear& linear,
          PackJobs& jobs) {
  bool same =
      std::all_of(parts.begin(), parts.end(), [&](auto& part) { return part.first->type == parts[0].first->type; });
  linear.parts.resize(same ? 1 : parts.size());
  std::uint32_t column = 0;
  for (std::size_t i = 1; same && i < parts.size(); ++i)
    parts[0].second.insert(parts[0].second.end(), parts[i].second.begin(), parts[i].second.end());
  for (std::size_t i = 0; i < linear.parts.size(); ++i) {
    linear.parts[i].first_column = column;
    column += static_cast<std::uint32_t>(parts[i].second.size());
    jobs.add(name, *parts[i].first, std::move(parts[i].second), linear.parts[i].matrix);
  }
  for (std::size_t i = 1; same && i < parts.size(); ++i) jobs.also_reads(*parts[i].first);
}

void add_gate_up(const std::string& name, const LayerTensors& t, FusedLinear& linear, PackJobs& jobs) {
  RowPointers gate = rows_of(*t.ffn_gate), up = rows_of(*t.ffn_up);
  if (t.ffn_gate->type != t.ffn_up->type) {
    fuse(name, {{t.ffn_gate, std::move(gate)}, {t.ffn_up, std::move(up)}}, linear, jobs);
    return;
  }
  linear.parts.resize(1);
  jobs.add(name, *t.ffn_gate, interleave_gate_up(gate, up), linear.parts[0].matrix);
  jobs.also_reads(*t.ffn_up);
}

void add_jobs(const ModelDescription& description, HostModel& model, PackJobs& jobs) {
  jobs.add(description.is_tied() ? "token_embd.weight" : "output.weight", *description.output,
           rows_of(*description.output), model.head, true);
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
    jobs.add(prefix + "attn_output.weight", *t.attn_output, rows_of(*t.attn_output), layer.o);
    add_gate_up(prefix + "ffn_gate/up.weight", t, layer.gate_up, jobs);
    jobs.add(prefix + "ffn_down.weight", *t.ffn_down, rows_of(*t.ffn_down), layer.down);
  }
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
  auto rope = RopeTable::make(
      {model->hyper.context_length, p.head_dim, p.rope_theta, p.rope_linear_factor, 1.0, description.rope_divisors});
  if (!rope) return rope.error();
  model->rope = std::move(*rope);

  PackJobs jobs(formats, *model);
  add_jobs(description, *model, jobs);
  pool.begin_step();
  std::uint64_t hash = content_hash(tensors, pool, forget);
  Status packed = jobs.run(pool, progress, forget);
  pool.end_step();
  if (!packed) return packed.error();
  jobs.count(model->packed);
  if (Status status = read_norms(description, *model); !status) return status.error();
  if (Status status = copy_embeddings(*description.token_embd, *model); !status) return status.error();
  if (forget) forget(description.token_embd->bytes);

  model->weights_bytes = model->embeddings.size() + model->arena.bytes_used();
  model->numerics_class = numerics_class(header, hash, p, formats.weights, kv_type);
  return std::shared_ptr<const HostModel>(std::move(model));
}

}  // namespace troupe
