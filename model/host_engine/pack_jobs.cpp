#include "model/host_engine/pack_jobs.hpp"

#include <algorithm>

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kPieceRows = 1024;  // packed by one thread at a time

}  // namespace

void PackJobs::add(std::string name, const GgufTensor& tensor, RowPointers rows, PackedMatrix& target, bool is_head) {
  auto job = std::make_unique<Job>();
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

void PackJobs::also_reads(const GgufTensor& tensor) {
  if (error_.ok()) jobs_.back()->sources.push_back(tensor.bytes);
}

Status PackJobs::run(ThreadPool& pool, const LoadProgress& progress, const ForgetBytes& forget) {
  if (!error_.ok()) return error_;
  std::vector<Piece> pieces = cut();
  std::vector<Status> outcomes(pieces.size());
  std::atomic<std::size_t> done = 0;
  pool.run(static_cast<std::uint32_t>(pieces.size()), [&](std::uint32_t i, std::uint32_t thread) {
    Job& job = *pieces[i].job;
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

void PackJobs::count(std::array<PackedShare, kPackedFormats>& shares) const {
  for (const auto& job : jobs_) {
    const PackedMatrix& matrix = job->target.matrix;
    PackedShare& share = shares[static_cast<std::size_t>(matrix.format)];
    share.matrices += 1;
    share.bytes += matrix.tiles * matrix.tile_bytes;
  }
}

std::vector<PackJobs::Piece> PackJobs::cut() {
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

}  // namespace troupe
