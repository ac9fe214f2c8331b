#pragma once
// How much memory a model needs and how many K/V blocks fit, decided before anything is loaded. Pure arithmetic: what
// the process may use is handed in.
#include <cstdint>
#include <vector>

#include "model/architectures/model_description.hpp"
#include "model/host_engine/host_formats.hpp"

namespace troupe {

// What a runner is built for.
struct HostLimits {
  std::uint32_t threads = 1;
  std::uint32_t rows_max = 32;     // sequences of one step
  std::uint32_t tokens_max = 512;  // new positions of one step, >= rows_max
  std::uint32_t context = 0;       // positions of one sequence; 0: the model's own
  std::uint32_t steps_in_flight = 1;
  HostFormats formats;
  bool preallocate = false;         // K/V has all its memory from the start
  std::vector<std::uint32_t> pins;  // the CPU of each thread; empty: anywhere
};

struct MemoryBudget {
  std::uint64_t available_bytes = 0;  // what the process may still take
  std::uint64_t kv_bytes = 0;         // for K/V; 0: room for kContextsDefault contexts, at most a quarter of available
};
inline constexpr std::uint32_t kContextsDefault = 8;
inline constexpr std::uint32_t kKvBlocksMin = 16;  // 256 tokens: with less no conversation fits

struct MemoryPlan {
  std::uint64_t weights_bytes = 0;    // packed matrices, embeddings, norms, rotary table
  std::uint64_t workspace_bytes = 0;  // of one runner
  std::uint64_t kv_block_bytes = 0;   // kBlockSize tokens in all layers
  std::uint32_t kv_blocks = 0;
  KvType kv_type = KvType::kInt8;
  std::uint32_t context = 0;  // in effect

  std::uint64_t kv_bytes() const { return kv_block_bytes * kv_blocks; }
  std::uint64_t total_bytes() const { return weights_bytes + workspace_bytes + kv_bytes(); }
};

// kConfiguration when it cannot fit: the message says what is needed, what there is and what would fit.
Result<MemoryPlan> plan_memory(const ModelDescription& model, const HostLimits& limits, const MemoryBudget& budget);

// Rows whose logits exist at the same time; more sampling rows than that are done in turns.
inline constexpr std::uint32_t kHeadRowsMax = 64;

}  // namespace troupe
