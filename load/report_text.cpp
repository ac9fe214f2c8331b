#include "load/report_text.hpp"

#include <cstdarg>
#include <cstdio>

namespace troupe {
namespace {

__attribute__((format(printf, 2, 3))) void append(std::string& out, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  out += line;
}

using Count = unsigned long long;

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

double per_second(std::uint64_t n, double seconds) { return seconds > 0.0 ? static_cast<double>(n) / seconds : 0.0; }

void append_guide_lines(std::string& out, const RunStatistics& run) {
  append(out, "\n=== Load Test Results ===\nTotal requests: %llu\n", Count{run.requests});
  append(out, "Successful: %llu\nFailed: %llu\n", Count{run.served}, Count{run.failed + run.refused});
  append(out, "Total time: %.2fs\n", run.measured_s());
  append(out, "Throughput: %.2f req/s\n", per_second(run.served, run.measured_s()));
  if (run.served == 0) {
    out += "\nNo successful requests\n";
    return;
  }
  const LatencySketch& latency = run.end_to_end;
  append(out, "\nLatency Statistics:\n  Min: %.3fs\n  Max: %.3fs\n  Mean: %.3fs\n", latency.min(), latency.max(),
         latency.mean());
  append(out, "  P50: %.3fs\n  P95: %.3fs\n  P99: %.3fs\n", *latency.quantile(0.5), *latency.quantile(0.95),
         *latency.quantile(0.99));
}

void append_row(std::string& out, const char* name, const LatencySketch& sketch) {
  if (sketch.count() == 0) return;
  append(out, "  %-19s %10.2f %10.2f %10.2f %10.2f %10.2f %10.2f\n", name, sketch.mean() * 1e3,
         *sketch.quantile(0.5) * 1e3, *sketch.quantile(0.9) * 1e3, *sketch.quantile(0.95) * 1e3,
         *sketch.quantile(0.99) * 1e3, sketch.max() * 1e3);
}

void append_latencies(std::string& out, const RunStatistics& run) {
  append(out, "\n  %-19s %10s %10s %10s %10s %10s %10s\n", "milliseconds", "mean", "p50", "p90", "p95", "p99", "max");
  append_row(out, "TTFT", run.first_token);
  append_row(out, "ITL", run.inter_token);
  append_row(out, "TPOT", run.per_output_token);
  append_row(out, "end to end", run.end_to_end);
  append_row(out, "refusals", run.refusal);
  append_row(out, "generator lateness", run.lateness);
}

void append_tokens(std::string& out, const RunStatistics& run) {
  double seconds = run.measured_s();
  append(out, "\nTokens: prompt %llu (%.1f/s), output %llu (%.1f/s)\n", Count{run.prompt_tokens},
         per_second(run.prompt_tokens, seconds), Count{run.output_tokens}, per_second(run.output_tokens, seconds));
  if (run.without_usage > 0)
    append(out, "  %llu answers had no usage: their output tokens are counted by events\n", Count{run.without_usage});
}

void append_goodput(std::string& out, const RunStatistics& run) {
  if (!run.service_level.is_set()) return;
  double seconds = run.measured_s();
  append(out, "Goodput: %.2f req/s, %.1f %% of requests; %.1f output tok/s, %.1f %% of tokens\n",
         per_second(run.good, seconds), share(run.good, run.requests), per_second(run.good_output_tokens, seconds),
         share(run.good_output_tokens, run.output_tokens));
  append(out, "  by the mean gap instead of 99 %% of the gaps: %.2f req/s, %.1f %% of requests\n",
         per_second(run.good_on_average, seconds), share(run.good_on_average, run.requests));
}

void append_failures(std::string& out, const RunStatistics& run) {
  if (run.refusal.count() > 0)
    append(out, "Refusals: %llu answers, %llu requests in the end\n", Count{run.refusal.count()}, Count{run.refused});
  if (run.first_retries > 0)
    append(out, "  %.1f %% of %llu first retries succeeded\n", share(run.first_retries_served, run.first_retries),
           Count{run.first_retries});
  if (run.unfinished > 0)
    append(out, "Unfinished: %llu, cancelled at the end; they are in no latency\n", Count{run.unfinished});
  if (run.errors.empty()) return;
  out += "Errors:\n";
  for (const auto& [kind, count] : run.errors) append(out, "  %8llu  %s\n", Count{count}, kind.c_str());
}

void append_phases(std::string& out, const RunStatistics& run) {
  append(out, "\n  %-10s %9s %9s %9s %9s %9s %13s %13s\n", "phase", "seconds", "sent", "served", "failed", "req/s",
         "prompt tok/s", "output tok/s");
  for (std::size_t i = 0; i < kLoadPhases; ++i) {
    const PhaseStatistics& phase = run.phases[i];
    if (phase.seconds <= 0.0) continue;
    append(out, "  %-10s %9.2f %9llu %9llu %9llu %9.2f %13.1f %13.1f\n", name_of(static_cast<LoadPhase>(i)),
           phase.seconds, Count{phase.sent}, Count{phase.served}, Count{phase.failed},
           per_second(phase.served, phase.seconds), per_second(phase.prompt_tokens, phase.seconds),
           per_second(phase.output_tokens, phase.seconds));
  }
}

void append_tenants(std::string& out, const RunStatistics& run) {
  if (run.tenants.size() < 2) return;
  append(out, "\n  %-24s %9s %9s %9s %9s %9s %14s %12s\n", "tenant", "requests", "served", "refused", "failed", "good",
         "output tokens", "TTFT p50 ms");
  for (const TenantStatistics& tenant : run.tenants) {
    if (tenant.requests == 0) continue;
    append(out, "  %-24.64s %9llu %9llu %9llu %9llu %9llu %14llu %12.2f\n",
           tenant.name.empty() ? "(none)" : tenant.name.c_str(), Count{tenant.requests}, Count{tenant.served},
           Count{tenant.refused}, Count{tenant.failed}, Count{tenant.good}, Count{tenant.output_tokens},
           tenant.first_token.quantile(0.5).value_or(0.0) * 1e3);
  }
}

}  // namespace

std::string report_text(const RunStatistics& run, const RunDescription& description) {
  std::string out;
  append_guide_lines(out, run);
  if (run.served > 0 || run.refusal.count() > 0) append_latencies(out, run);
  append_tokens(out, run);
  append_goodput(out, run);
  append_failures(out, run);
  append_phases(out, run);
  append_tenants(out, run);
  if (!description.ending.empty()) out += "\nThe run ended early: " + description.ending + "\n";
  return out;
}

std::string progress_text(const RunStatistics& run, const LoadProgressLine& line) {
  std::string out;
  std::uint64_t sent = 0;
  std::uint64_t served = 0;
  for (const PhaseStatistics& phase : run.phases) {
    sent += phase.sent;
    served += phase.served;
  }
  append(out, "%7.1fs %s  sent %llu  running %u  ok %llu  refused %llu  failed %llu  %.1f tok/s", line.now_s,
         name_of(run.phase()), Count{sent}, line.running, Count{served}, Count{run.refusal.count()}, Count{run.failed},
         line.tokens_per_second);
  if (auto p50 = run.first_token.quantile(0.5)) append(out, "  TTFT p50 %.3fs", *p50);
  return out;
}

}  // namespace troupe
