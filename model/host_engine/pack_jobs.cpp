#include "model/host_engine/pack_jobs.hpp"

#include <algorithm>

#include "model/gguf/load_error.hpp"

namespace troupe {
namespace {

constexpr std::uint32_t kPieceRows = 1024;  // packed by one thread at a time; more where there were too many pieces

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
  std::vector<Piece> pieces = this->pieces(pool.threads());
  for (const Piece& piece : pieces) ++jobs_[piece.job]->pieces_left;
  std::vector<Status> outcomes(pieces.size());
  std::atomic<std::size_t> done = 0;
  const auto pack = [&](std::size_t i, std::uint32_t thread) {
    Job& job = *jobs_[pieces[i].job];
    auto rows = std::span(job.rows).subspan(pieces[i].first_row, pieces[i].rows);
    if (Status packed = pack_rows(job.target, job.from, job.as, rows, pieces[i].first_row); !packed)
      outcomes[i] = load_error(job.name, packed.error().message);
    if (job.pieces_left.fetch_sub(1) == 1 && forget) std::for_each(job.sources.begin(), job.sources.end(), forget);
    auto fraction = static_cast<double>(done.fetch_add(1) + 1) / static_cast<double>(pieces.size());
    if (thread == 0 && progress) progress(fraction);
  };
  if (pool.is_pinned()) {
    // A share is one tile of the run: nobody takes pieces of it, so memory is first touched on the node that uses it.
    pool.begin_step();
    pool.run(pool.threads(), [&](std::uint32_t share, std::uint32_t thread) {
      const std::size_t end = pieces.size() * (share + 1) / pool.threads();
      for (std::size_t i = pieces.size() * share / pool.threads(); i < end; ++i) pack(i, thread);
    });
    pool.end_step();
  } else {
    pool.run(static_cast<std::uint32_t>(pieces.size()), pack);
  }
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

std::vector<PackJobs::Piece> PackJobs::pieces(std::uint32_t threads) const {
  constexpr std::size_t kPiecesMax = ThreadPool::kTilesMax;
  std::uint64_t piece_rows = kPieceRows;
  auto pieces_of = [&](const Job& job) { return (job.rows.size() / threads + piece_rows) / piece_rows; };
  auto count = [&] {  // of one thread
    std::uint64_t sum = 0;
    for (const auto& job : jobs_) sum += pieces_of(*job);
    return sum;
  };
  while (count() > jobs_.size() && count() * threads > kPiecesMax) piece_rows *= 2;
  while (threads > 1 && count() * threads > kPiecesMax) threads /= 2;
  std::vector<Piece> pieces;
  for (std::uint32_t thread = 0; thread < threads; ++thread) {
    for (std::uint32_t number = 0; number < jobs_.size(); ++number) {
      const Job& job = *jobs_[number];
      std::uint64_t each = pieces_of(job), all = each * threads;
      std::uint64_t tiles = (job.rows.size() + kTileRows - 1) / kTileRows;
      auto first_row = [&](std::uint64_t piece) {
        return static_cast<std::uint32_t>(std::min<std::uint64_t>(tiles * piece / all * kTileRows, job.rows.size()));
      };
      for (std::uint64_t i = thread * each; i < (thread + 1) * each; ++i)
        pieces.push_back({number, first_row(i), first_row(i + 1) - first_row(i)});
    }
  }
  return pieces;
}

}  // namespace troupe
