#pragma once
// The matrices of a model that are to be packed, and their packing on all threads of a pool.
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
  struct Piece {
    Job* job;
    std::uint32_t first, rows;
  };
  std::vector<Piece> cut();

  const HostFormats& formats_;
  HostModel& model_;
  std::vector<std::unique_ptr<Job>> jobs_;
  Status error_;
};

}  // namespace troupe
