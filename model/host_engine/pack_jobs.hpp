#pragma once
// The matrices of a model that are to be packed, and their packing on all threads of a pool. Thread t of T packs the
// rows that thread t of the compute pool will multiply, part t of T of every matrix, so that on a machine with several
// memory nodes each thread finds its weights on its own node (when both pools are pinned alike).
#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/host_engine/host_model.hpp"
#include "model/host_engine/row_order.hpp"

namespace troupe {

class PackJobs {
 public:
  PackJobs(const HostFormats& formats, HostModel& model) : formats_(formats), model_(model) {}

  // Allocates `target`; its rows come with run(). Errors wait for run().
  void add(std::string name, const GgufTensor& tensor, RowPointers rows, PackedMatrix& target, bool is_head = false);
  // The job added last also reads this tensor.
  void also_reads(const GgufTensor& tensor);

  // The first error wins. `forget` is told of what has been read.
  Status run(ThreadPool& pool, const LoadProgress& progress, const ForgetBytes& forget);

  void count(std::array<PackedShare, kPackedFormats>& shares) const;

  // What run() shares out over the threads of a pool, the same number of pieces to each. `job`: in order of add().
  struct Piece {
    std::uint32_t job, first_row, rows;
  };
  std::vector<Piece> pieces(std::uint32_t threads) const;

 private:
  // One matrix to pack: rows of one type, in order.
  struct Job {
    std::string name;
    DType from, as;
    RowPointers rows;
    std::vector<std::span<const std::byte>> sources;
    BlankMatrix target = {};
    std::atomic<std::uint32_t> pieces_left = 0;
  };

  const HostFormats& formats_;
  HostModel& model_;
  std::vector<std::unique_ptr<Job>> jobs_;
  Status error_;
};

}  // namespace troupe
