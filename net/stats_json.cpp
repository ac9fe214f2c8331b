#include "net/stats_json.hpp"

#include "net/schema/json_writer.hpp"

namespace troupe {
namespace {

double value_of(const MetricFamily& family) {
  auto samples = family.samples();
  return samples.empty() ? 0.0 : samples.front().value;
}

// {"p50": ..., "p99": ...} of a family with the label "quantile".
void append_quantiles(JsonWriter& json, const char* name, const MetricFamily& family) {
  json.key(name).begin_object();
  auto samples = family.samples();
  for (auto [quantile, key] : {std::pair{"0.5", "p50"}, {"0.9", "p90"}, {"0.95", "p95"}, {"0.99", "p99"}}) {
    json.key(key);
    bool found = false;
    for (const MetricSample& sample : samples) {
      if (sample.labels.front().second != quantile) continue;
      json.value(sample.value);
      found = true;
    }
    if (!found) json.null();
  }
  json.end_object();
}

void append_totals(JsonWriter& json, const Metrics& metrics, const RequestBooks& books) {
  json.key("totals").begin_object();
  json.field("received", metrics.requests_received.value()).field("accepted", books.accepted);
  auto outcomes = label_values(Outcome{});
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    json.field(outcomes[i], books.ended[i]);
  }
  json.field("prompt_tokens", metrics.prompt_tokens.value());
  json.field("prompt_tokens_cached", metrics.prompt_tokens_cached.value());
  json.field("tokens_generated", metrics.tokens_generated.value());
  json.field("steps", metrics.batch_size.series().count());
  json.field("step_sequences", static_cast<std::uint64_t>(metrics.batch_size.series().sum()));
  json.field("preemptions", metrics.preemptions.value());
  json.field("result_cache_hits", metrics.result_cache_hits.value());
  json.field("executor_restarts", metrics.executor_restarts.value());
  json.end_object();
}

}  // namespace

std::string stats_json(const Metrics& metrics) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  RequestBooks books = metrics.books();
  json.field("requests_in_progress", books.in_progress());
  json.field("running_sequences", metrics.running_sequences.value());
  json.field("queue_requests", metrics.queue_requests.value());
  json.field("queue_tokens", metrics.queue_tokens.value());
  json.field("queue_oldest_s", metrics.oldest_waiting_seconds());
  json.field("batch_window_ms", metrics.batch_window.value() * 1000.0);
  json.field("step_target_ms", metrics.step_target.value() * 1000.0);
  json.field("sequences_limit", metrics.sequences_limit.value());
  json.key("step_bounds").begin_object();
  auto bounds = label_values(StepBound{});
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    json.field(bounds[i], metrics.step_bounds.value(static_cast<StepBound>(i)));
  }
  json.end_object();
  json.key("batch_closes").begin_object();
  auto closes = label_values(BatchClose{});
  for (std::size_t i = 0; i < closes.size(); ++i) {
    json.field(closes[i], metrics.batch_closes.value(static_cast<BatchClose>(i)));
  }
  json.end_object();
  json.field("tokens_per_second", value_of(metrics.tokens_per_second));
  json.field("requests_per_second", value_of(metrics.requests_per_second));
  json.field("requests_offered_per_second", value_of(metrics.requests_offered_per_second));
  append_quantiles(json, "time_to_first_token_s", metrics.first_token_quantiles);
  append_quantiles(json, "inter_token_latency_s", metrics.inter_token_quantiles);
  append_quantiles(json, "request_duration_s", metrics.duration_quantiles);
  json.key("kv_blocks").begin_object();
  auto states = label_values(KvState{});
  for (std::size_t i = 0; i < states.size(); ++i) {
    json.field(states[i], metrics.kv_blocks.value(static_cast<KvState>(i)));
  }
  json.end_object();
  append_totals(json, metrics, books);
  json.end_object();
  return out;
}

}  // namespace troupe
