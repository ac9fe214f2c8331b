#include "cli/load_json.hpp"

#include "net/schema/json_writer.hpp"

namespace troupe {
namespace {

double per_second(std::uint64_t n, double seconds) { return seconds > 0.0 ? static_cast<double>(n) / seconds : 0.0; }

void append_quantile(JsonWriter& json, const char* name, const LatencySketch& sketch, double q) {
  json.key(name);
  auto value = sketch.quantile(q);
  value ? json.value(*value) : json.null();
}

void append_sketch(JsonWriter& json, const char* name, const LatencySketch& sketch) {
  json.key(name).begin_object().field("count", sketch.count());
  json.field("mean", sketch.mean()).field("min", sketch.min()).field("max", sketch.max());
  append_quantile(json, "p50", sketch, 0.5);
  append_quantile(json, "p90", sketch, 0.9);
  append_quantile(json, "p95", sketch, 0.95);
  append_quantile(json, "p99", sketch, 0.99);
  json.end_object();
}

void append_requests(JsonWriter& json, const RunStatistics& run) {
  json.key("requests").begin_object().field("total", run.requests).field("successful", run.served);
  json.field("failed", run.failed + run.refused).field("refused", run.refused).field("unfinished", run.unfinished);
  json.end_object();
  json.field("seconds", run.measured_s()).field("requests_per_second", per_second(run.served, run.measured_s()));
}

void append_latencies(JsonWriter& json, const RunStatistics& run) {
  json.key("seconds_of").begin_object();
  append_sketch(json, "end_to_end", run.end_to_end);
  append_sketch(json, "ttft", run.first_token);
  append_sketch(json, "itl", run.inter_token);
  append_sketch(json, "tpot", run.per_output_token);
  append_sketch(json, "refusals", run.refusal);
  append_sketch(json, "generator_lateness", run.lateness);
  json.end_object();
}

void append_tokens(JsonWriter& json, const RunStatistics& run) {
  double seconds = run.measured_s();
  json.key("tokens").begin_object().field("prompt", run.prompt_tokens).field("output", run.output_tokens);
  json.field("prompt_per_second", per_second(run.prompt_tokens, seconds));
  json.field("output_per_second", per_second(run.output_tokens, seconds));
  json.field("answers_without_usage", run.without_usage).end_object();
}

void append_goodput(JsonWriter& json, const RunStatistics& run) {
  json.key("goodput");
  if (!run.service_level.is_set()) {
    json.null();
    return;
  }
  double seconds = run.measured_s();
  json.begin_object().field("requests", run.good).field("requests_per_second", per_second(run.good, seconds));
  json.field("output_tokens", run.good_output_tokens);
  json.field("output_tokens_per_second", per_second(run.good_output_tokens, seconds));
  json.field("requests_by_mean_gap", run.good_on_average).end_object();
}

void append_failures(JsonWriter& json, const RunStatistics& run) {
  json.key("retries").begin_object().field("refusals", run.refusal.count());
  json.field("first_retries", run.first_retries).field("first_retries_successful", run.first_retries_served);
  json.end_object().key("errors").begin_object();
  for (const auto& [kind, count] : run.errors) json.field(kind, count);
  json.end_object();
}

void append_phases(JsonWriter& json, const RunStatistics& run) {
  json.key("phases").begin_array();
  for (std::size_t i = 0; i < kLoadPhases; ++i) {
    const PhaseStatistics& phase = run.phases[i];
    json.begin_object().field("phase", name_of(static_cast<LoadPhase>(i))).field("seconds", phase.seconds);
    json.field("sent", phase.sent).field("served", phase.served).field("failed", phase.failed);
    json.field("prompt_tokens", phase.prompt_tokens).field("output_tokens", phase.output_tokens).end_object();
  }
  json.end_array();
}

void append_tenants(JsonWriter& json, const RunStatistics& run) {
  json.key("tenants").begin_array();
  for (const TenantStatistics& tenant : run.tenants) {
    json.begin_object().field("tenant", tenant.name).field("requests", tenant.requests);
    json.field("successful", tenant.served).field("refused", tenant.refused).field("failed", tenant.failed);
    json.field("good", tenant.good).field("output_tokens", tenant.output_tokens);
    append_quantile(json, "ttft_p50", tenant.first_token, 0.5);
    json.end_object();
  }
  json.end_array();
}

void append_timeline(JsonWriter& json, const RunStatistics& run) {
  json.key("timeline").begin_object().field("slice_seconds", run.timeline.slice_s()).key("slices").begin_array();
  for (const TimeSlice& slice : run.timeline.slices()) {
    json.begin_object().field("offered", slice.offered).field("served", slice.served).field("refused", slice.refused);
    json.field("failed", slice.failed).field("output_tokens", slice.output_tokens);
    append_quantile(json, "ttft_p50", slice.first_token, 0.5);
    append_quantile(json, "ttft_p99", slice.first_token, 0.99);
    append_quantile(json, "itl_p50", slice.inter_token, 0.5);
    append_quantile(json, "itl_p99", slice.inter_token, 0.99);
    json.end_object();
  }
  json.end_array().end_object();
}

}  // namespace

std::string load_json(const RunStatistics& run, const RunDescription& description) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("generator", description.generator).field("url", description.url);
  json.field("started", description.started).key("ended_early");
  description.ending.empty() ? json.null() : json.value(description.ending);
  json.key("settings").begin_object();
  for (const auto& [name, value] : description.settings) json.field(name, value);
  json.end_object();
  append_requests(json, run);
  append_latencies(json, run);
  append_tokens(json, run);
  append_goodput(json, run);
  append_failures(json, run);
  append_phases(json, run);
  append_tenants(json, run);
  append_timeline(json, run);
  json.end_object();
  return out + "\n";
}

}  // namespace troupe
