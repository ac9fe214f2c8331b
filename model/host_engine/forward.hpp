#pragma once
// The decoder's layers over one step's tokens, as phases on the pool. Nothing here allocates.
#include <cstdint>
#include <span>

#include "gpu/host/phases.hpp"
#include "model/host_engine/host_model.hpp"
#include "model/host_engine/step_workspace.hpp"
#include "runtime/profiler.hpp"

namespace troupe {

struct Forward {
  const Host& host;
  const HostModel& model;
  StepWorkspace& workspace;
  KvPool kv;
  std::span<FetchAhead> ahead;   // [threads]: K/V of the next attention
  Profiler* profiler = nullptr;  // of a step that is profiled
};

// Rows of the embedding matrix into workspace.x.
void embed(const Forward& f, std::span<const TokenId> tokens);

// All layers; plans: one for each of model.attention, built for this step. `poisoned` has an entry for each token row:
// set to 1 where K or V was not finite. Such a head is stored as zeros, so that a block never carries a NaN to the
// sequence that owns it next.
void run_layers(const Forward& f, std::span<const AttentionPlan> plans, std::span<std::uint8_t> poisoned);

// Logits of the token rows `rows` (at most workspace.head_rows) into workspace.logits, their peaks into
// workspace.peaks.
void run_head(const Forward& f, std::span<const std::uint32_t> rows);

// An input's part of a step that embeds: rows [first_row, first_row + rows) of workspace.x.
struct PooledRows {
  std::uint32_t first_row = 0;
  std::uint32_t rows = 0;
  float* sum = nullptr;     // [hidden], to go on with; nullptr: the last row alone counts
  bool begins = false;      // the sum begins anew
  std::uint32_t count = 0;  // positions the vector is of
  float* out = nullptr;     // [hidden], the vector; nullptr: the input goes on
  bool is_finite = true;    // whether `out` means something
};

// Normalises the rows that count in place (in workspace.x: no head may read them after it) and pools them.
void run_pooling(const Forward& f, std::span<PooledRows> inputs);

}  // namespace troupe
