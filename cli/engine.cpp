#include "cli/engine.hpp"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cstdio>

#include "cli/batching.hpp"
#include "conf/chat_template_source.hpp"
#include "runtime/cpu_count.hpp"
#include "runtime/cpu_topology.hpp"
#include "text/chat_template/chat_template.hpp"

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

// A CPU for each thread; several share one only when there are more threads than CPUs.
std::vector<std::uint32_t> pins(std::uint32_t threads) {
  std::vector<LogicalCpu> cpus = allowed_cpus();
  std::vector<std::uint32_t> pins;
  for (std::uint32_t thread = 0; thread < threads && !cpus.empty(); ++thread)
    pins.push_back(cpus[thread % cpus.size()].cpu);
  return pins;
}

std::vector<std::pair<std::string, std::uint64_t>> bytes_by_format(const HostModel* model) {
  std::vector<std::pair<std::string, std::uint64_t>> bytes;
  for (std::size_t i = 0; model != nullptr && i < model->packed.size(); ++i) {
    if (model->packed[i].matrices > 0)
      bytes.emplace_back(layout_of(static_cast<PackedFormat>(i)).name, model->packed[i].bytes);
  }
  return bytes;
}

std::shared_ptr<WorkQueue> start_text_workers(const ThreadPlan& threads) {
  return std::make_shared<WorkQueue>(threads.text, WorkQueue::Limits{}, [nice = threads.text_nice](std::uint32_t) {
    // On Linux niceness belongs to the thread.
    setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice);
    pthread_setname_np(pthread_self(), "text");
  });
}

}  // namespace

ThreadPlan thread_plan(const Settings& settings) {
  ThreadPlan plan = plan_threads(allowed_cores(), distinct_cores(allowed_cpus()));
  if (settings.threads > 0) plan.compute = settings.threads;
  return plan;
}

HostLimits host_limits(const Settings& settings, std::uint32_t compute_threads) {
  HostLimits limits;
  limits.threads = compute_threads;
  limits.preallocate = settings.kv_preallocation;
  if (settings.pin_threads) limits.pins = pins(compute_threads);
  limits.rows_max = settings.sequences_max;
  limits.tokens_max = settings.step_tokens_max;
  limits.context = settings.context;
  limits.steps_in_flight = settings.steps_in_flight;
  if (settings.quantization)
    limits.formats.weights = settings.precision == "int4" ? WeightsAs::kInt4 : WeightsAs::kInt8;
  if (settings.kv_type != "auto") limits.formats.kv = settings.kv_type == "f16" ? KvType::kF16 : KvType::kInt8;
  return limits;
}

Result<std::string> chat_template_of(const Settings& settings) {
  if (settings.chat_template.empty()) return std::string();
  auto source = chat_template_source(settings.chat_template);
  if (!source) return source;
  if (auto compiled = ChatTemplate::compile(*source); !compiled)
    return Error{ErrorCode::kConfiguration, "model.chat_template: " + compiled.error().message, "", 0};
  return source;
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
    return Error{
        ErrorCode::kConfiguration,
        "no model: give --model FILE, a GGUF file or a Hugging Face folder (./quickstart --model-only fetches one)", "",
        0};
  auto kernels = select_kernels_from_environment();
  if (!kernels) return kernels.error();

  auto engine = std::make_unique<Engine>();
  engine->threads = thread_plan(settings);
  LoadOptions load;
  load.limits = host_limits(settings, engine->threads.compute);
  load.memory = memory_budget(settings);
  load.kernels = *kernels;
  load.progress = terminal_progress();
  load.preload = settings.preload;
  load.warmup_samples = settings.warmup_samples;
  load.pin_memory = settings.pin_memory;
  load.pinned = [metrics = parts.metrics](std::uint64_t bytes) {
    metrics->memory_pinned.add(static_cast<double>(bytes));
  };
  load.profiler = engine->profiler;
  auto chat_template = chat_template_of(settings);
  if (!chat_template) return chat_template.error();
  load.chat_template = std::move(*chat_template);
  auto model = load_model(settings.model, load);
  if (!model) return model.error();

  ModelCard card = model->card;
  if (!settings.model_name.empty()) card.name = settings.model_name;
  card.aliases = settings.model_aliases;
  engine->memory = model->memory;
  engine->metrics = std::move(parts.metrics);
  engine->metrics->describe({TROUPE_VERSION, card.name, card.architecture, card.quantization, card.numerics_class,
                             card.device, bytes_by_format(model->weights.get())});

  std::uint64_t free = load.memory.available_bytes - std::min(load.memory.available_bytes, model->memory.total_bytes());
  engine->automatic_memory_limit = automatic_memory_limit(free, settings.body_max.value);
  engine->governor = std::make_shared<MemoryGovernor>(engine->memory_limit(settings));
  engine->metrics->watch(engine->governor);

  ActorServiceOptions options;
  options.memory = engine->governor;
  options.codec = card.codec;
  options.new_runner = model->make_runner;
  engine->text_workers = start_text_workers(engine->threads);
  options.text_workers = engine->text_workers;
  options.profiler = engine->profiler;
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
