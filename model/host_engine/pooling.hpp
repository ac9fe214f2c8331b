#pragma once
// Embeddings: what is made of the hidden states of an input's positions (rule 14 of gpu/host/numerics.md), and whose
// the running sums are. A mean goes on from step to step, so the sums outlive the steps; nothing else does.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/step_plan.hpp"

namespace troupe {

// sum[columns] += each of `rows` rows of x [rows][stride], in their order, one addition a value.
void add_rows(const float* x, std::size_t stride, std::uint32_t rows, std::uint32_t columns, float* sum);

// out[columns] = sum / count, then of length 1; zeros stay zeros. False: a value is not finite, and out means nothing.
bool unit_vector(const float* sum, std::uint32_t count, std::uint32_t columns, float* out);

// Which sequence each running sum belongs to and how far it has come. A row that does not go on where its sum ends
// would give a vector that looks like one and is none.
class SumBooks {
 public:
  explicit SumBooks(std::uint32_t sums) : books_(sums) {}

  // Counted here: a plan's own number says nothing, it begins anew with each batcher.
  void begin_step() { ++step_; }
  // Books a row of this step that has a sum (below `sums`). False: it neither begins its sum nor goes on with it, or
  // another row of this step has it.
  bool book(const StepRow& row);

 private:
  struct Book {
    RequestId sequence = 0;
    std::uint32_t positions = 0;
    std::uint64_t step = 0;  // the last one with a row of it
  };
  std::vector<Book> books_;
  std::uint64_t step_ = 0;
};

}  // namespace troupe
