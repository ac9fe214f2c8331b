#include "cli/batching.hpp"

namespace troupe {

SchedulerLimits scheduler_limits(const Settings& settings, std::uint32_t context) {
  SchedulerLimits limits;
  limits.sequences_max = settings.sequences_max;
  limits.step_tokens_max = settings.step_tokens_max;
  limits.queue_max = settings.queue_max;
  limits.queue_tokens_max = settings.queue_tokens_max;
  limits.context_length = context;
  limits.steps_in_flight = settings.steps_in_flight;
  return limits;
}

BatchWindowOptions window_options(const Settings& settings) {
  BatchWindowOptions options;
  options.mode = settings.batching_mode == "fixed" ? BatchWindowOptions::Mode::kFixed : BatchWindowOptions::Mode::kAuto;
  options.window_max_ms = settings.window_us / 1000.0;
  options.prefill_chunk_max = settings.prefill_chunk_max;
  return options;
}

Slo slo(const Settings& settings) {
  return {static_cast<double>(settings.slo_ttft_ms), settings.slo_ttft_ms_per_token,
          static_cast<double>(settings.slo_itl_ms)};
}

void configure(BatcherOptions& options, const Settings& settings) {
  options.limits = scheduler_limits(settings, options.limits.context_length);
  options.window = window_options(settings);
  options.slo = slo(settings);
  options.prefix_cache = settings.prefix_cache;
}

}  // namespace troupe
