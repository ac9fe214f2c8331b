#pragma once
// How many threads of each kind the process has, from the cores it may use (allowed_cores()). The whole rule stands
// here; docs/architecture.md has it as a table.
#include <algorithm>
#include <cstdint>

namespace troupe {

struct ThreadPlan {
  std::uint32_t compute = 1;  // the host device's pool; the executor's own thread is one of them
  std::uint32_t batcher = 1;  // detached, one per model: never tokenizes, formats or blocks
  std::uint32_t actors = 1;   // workers that all other actors share; with 0 the actor system hangs
  std::uint32_t io = 1;       // HTTP, WebSocket
  std::uint32_t text = 1;     // tokenizing and templates, behind a bounded queue
  int text_nice = 5;          // they yield to the compute pool: a late first token beats a late step for everybody
};

// Everything but the compute pool sleeps most of the time; one thread in eight is enough for it up to many cores.
// `physical`: cores among them that share their units with none of the others; a second compute thread on a core would
// only be in the first one's way.
inline ThreadPlan plan_threads(std::uint32_t cores, std::uint32_t physical = UINT32_MAX) {
  std::uint32_t few = std::max(1U, cores / 8);
  ThreadPlan plan;
  plan.compute = std::max(1U, std::min(cores, physical));
  plan.actors = few;
  plan.io = few;
  plan.text = few;
  return plan;
}

}  // namespace troupe
