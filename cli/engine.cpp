#include "cli/engine.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>

#include "cli/batching.hpp"
#include "runtime/cpu_count.hpp"

namespace troupe {
namespace {

// "loading  42 %" on a terminal; nothing where nobody looks.
LoadProgress terminal_progress() {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [shown = -1](double fraction) mutable {
    int percent = static_cast<int>(fraction * 100);
    if (percent == shown) return;
    shown = percent;
    std::fprintf(stderr, "\rloading %3d %%%s", percent, percent >= 100 ? "\r             \r" : "");
    std::fflush(stderr);
  };
}

std::shared_ptr<WorkQueue> start_text_workers(const ThreadPlan& threads) {
  return std::make_shared<WorkQueue>(threads.text, WorkQueue::Limits{}, [nice = threads.text_nice](std::uint32_t) {
    // On Linux niceness belongs to the thread.
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice);
    pthread_setname_np(pthread_self(), "text");
  });
}

}  // namespace

HostLimits host_limits(const Settings& settings, std::uint32_t compute_threads) {
  HostLimits limits;
  limits.threads = compute_threads;
  limits.rows_max = settings.sequences_max;
  limits.tokens_max = settings.step_tokens_max;
  limits.context = settings.context;
  limits.steps_in_flight = settings.steps_in_flight;
  if (settings.quantization)
    limits.formats.weights = settings.precision == "int4" ? WeightsAs::kInt4 : WeightsAs::kInt8;
  if (settings.kv_type != "auto") limits.formats.kv = settings.kv_type == "f16" ? KvType::kF16 : KvType::kInt8;
  return limits;
}

MemoryBudget memory_budget(const Settings& settings) { return {allowed_memory_bytes(), settings.kv_memory.value}; }

std::string mebibytes(std::uint64_t bytes) { return std::to_string((bytes + (1U << 19)) >> 20U) + " MiB"; }

std::string describe(const MemoryPlan& plan) {
  return "weights " + mebibytes(plan.weights_bytes) + ", workspace " + mebibytes(plan.workspace_bytes) + ", KV " +
         std::to_string(plan.kv_blocks) + " blocks (" + std::to_string(std::uint64_t{plan.kv_blocks} * kBlockSize) +
         " tokens, " + mebibytes(plan.kv_bytes()) + ", " + name_of(plan.kv_type) + "), context " +
         std::to_string(plan.context);
}

Result<std::unique_ptr<Engine>> start_engine(const Settings& settings, EngineParts parts) {
  if (settings.model.empty())
    return Error{ErrorCode::kConfiguration, "no model: give --model FILE.gguf (./quickstart --model-only fetches one)",
                 "", 0};
  auto kernels = select_kernels_from_environment();
  if (!kernels) return kernels.error();

  auto engine = std::make_unique<Engine>();
  engine->threads = plan_threads(allowed_cores());
  if (settings.threads > 0) engine->threads.compute = settings.threads;

  LoadOptions load;
  load.limits = host_limits(settings, engine->threads.compute);
  load.memory = memory_budget(settings);
  load.kernels = *kernels;
  load.progress = terminal_progress();
  auto model = load_model(settings.model, load);
  if (!model) return model.error();

  ModelCard card = model->card;
  if (!settings.model_name.empty()) card.name = settings.model_name;
  card.aliases = settings.model_aliases;
  engine->memory = model->memory;
  engine->metrics = std::move(parts.metrics);
  engine->metrics->describe(
      {TROUPE_VERSION, card.name, card.architecture, card.quantization, card.numerics_class, card.device});

  std::uint64_t free = load.memory.available_bytes - std::min(load.memory.available_bytes, model->memory.total_bytes());
  engine->automatic_memory_limit = automatic_memory_limit(free, settings.body_max.value);
  engine->governor = std::make_shared<MemoryGovernor>(engine->memory_limit(settings));
  engine->metrics->watch(engine->governor);

  ActorServiceOptions options;
  options.memory = engine->governor;
  options.codec = card.codec;
  options.new_runner = model->make_runner;
  options.text_workers = start_text_workers(engine->threads);
  options.metrics = engine->metrics;
  options.access_log = std::move(parts.access_log);
  options.limits = scheduler_limits(settings, model->memory.context);
  options.slo = slo(settings);
  options.window = window_options(settings);
  options.prefix_cache = settings.prefix_cache;
  options.requests_max = settings.queue_max + settings.sequences_max + 256;  // and some that are being tokenized
  options.result_cache_bytes = settings.cache_enabled ? settings.cache_memory.value : 0;
  options.stall = std::chrono::milliseconds(settings.stall_ms);
  for (const TenantSettings& tenant : settings.tenants) options.tenants.push_back(tenant.rule);
  options.actor_threads = engine->threads.actors;
  engine->catalog = std::make_unique<ModelCatalog>(std::vector<ModelCard>{std::move(card)});
  auto service = ActorService::create(std::move(options));
  if (!service) return service.error();
  engine->service = std::move(*service);
  return engine;
}

}  // namespace troupe
