#pragma once
// What `serve` and `generate` have in common: a loaded model behind actors, made from the settings.
#include <memory>

#include "actors/actor_service.hpp"
#include "actors/thread_plan.hpp"
#include "conf/settings.hpp"
#include "model/load_model.hpp"
#include "runtime/memory_governor.hpp"
#include "runtime/metrics.hpp"
#include "runtime/profiler.hpp"
#include "runtime/work_queue.hpp"

namespace troupe {

// Members end in reverse order: the service first, then what it uses.
struct Engine {
  ThreadPlan threads;
  std::shared_ptr<Metrics> metrics;
  std::unique_ptr<ModelCatalog> catalog;
  MemoryPlan memory;
  std::shared_ptr<Profiler> profiler = std::make_shared<Profiler>();
  std::shared_ptr<WorkQueue> text_workers;
  MemoryGovernorPtr governor;                // of what grows with clients, beside the plan
  std::uint64_t automatic_memory_limit = 0;  // where memory.limit is 0
  std::unique_ptr<ActorService> service;

  std::uint64_t memory_limit(const Settings& settings) const {
    return settings.memory_limit.value > 0 ? settings.memory_limit.value : automatic_memory_limit;
  }
  const ModelCard& card() const { return catalog->cards().front(); }
};

// Parts that outlive the engine, made by whoever serves.
struct EngineParts {
  std::shared_ptr<Metrics> metrics = std::make_shared<Metrics>();
  std::shared_ptr<AccessLog> access_log = {};
};

// Loads with progress on stderr when somebody looks at it. kConfiguration, kModelFile: what was given is wrong.
Result<std::unique_ptr<Engine>> start_engine(const Settings& settings, EngineParts parts = {});

// Threads for the cores this process may use, and how the settings bound a runner.
ThreadPlan thread_plan(const Settings& settings);
HostLimits host_limits(const Settings& settings, std::uint32_t compute_threads);
MemoryBudget memory_budget(const Settings& settings);

// The chat template that model.chat_template names, read and compiled once to see that it can be; empty: the model's
// own.
Result<std::string> chat_template_of(const Settings& settings);

std::string mebibytes(std::uint64_t bytes);  // "97 MiB"

// "weights 97 MiB, workspace 5 MiB, KV 1024 blocks of 16 tokens (16384 tokens, 200 MiB), context 8192"
std::string describe(const MemoryPlan& plan);

}  // namespace troupe
