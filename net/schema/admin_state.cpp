#include "net/schema/admin_state.hpp"

#include "net/schema/json_writer.hpp"

namespace troupe {
namespace {

double seconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

void append_request(JsonWriter& json, const LiveRequestState& request) {
  json.begin_object().field("id", request.id).field("request_id", request.request_id);
  json.field("route", request.route).field("tenant", request.tenant).field("priority", request.priority);
  json.field("stage", name_of(request.stage)).field("prompt_tokens", request.prompt_tokens);
  json.field("completion_tokens", request.completion_tokens).field("age_s", seconds(request.age)).end_object();
}

void append_batcher(JsonWriter& json, const Metrics& metrics) {
  json.key("queue").begin_object().field("requests", metrics.queue_requests.value());
  json.field("tokens", metrics.queue_tokens.value()).field("oldest_s", metrics.oldest_waiting_seconds()).end_object();
  json.field("running_sequences", metrics.running_sequences.value());
  json.key("kv_blocks").begin_object();
  auto states = label_values(KvState{});
  for (std::size_t i = 0; i < states.size(); ++i) {
    json.field(states[i], metrics.kv_blocks.value(static_cast<KvState>(i)));
  }
  json.end_object();
  json.field("preemptions", metrics.preemptions.value());
  json.field("result_cache_bytes", metrics.result_cache_bytes.value());
}

void append_memory(JsonWriter& json, const MemoryGovernor& memory) {
  json.key("memory").begin_object().field("limit_bytes", memory.limit()).field("bytes", memory.used());
  json.field("level", static_cast<std::uint32_t>(memory.level())).key("bytes_by_use").begin_object();
  auto uses = label_values(MemoryUse{});
  for (std::size_t i = 0; i < uses.size(); ++i) json.field(uses[i], memory.used(static_cast<MemoryUse>(i)));
  json.end_object().key("degraded").begin_object();
  auto steps = label_values(MemoryStep{});
  for (std::size_t i = 0; i < steps.size(); ++i) json.field(steps[i], memory.steps(static_cast<MemoryStep>(i)));
  json.end_object().end_object();
}

}  // namespace

std::string state_object(const ServiceState& state, const Metrics* metrics) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("draining", state.is_draining).key("max_tokens");
  state.max_tokens ? json.value(*state.max_tokens) : json.null();
  json.field("result_cache", state.caches.result_cache).field("prefix_cache", state.caches.prefix_cache);
  json.field("batchers_started", state.batchers).field("executors_started", state.executors);
  json.field("steps_started", state.steps_started).field("steps_completed", state.steps_completed);
  json.field("retry_after_s", state.retry_after_s);
  if (metrics != nullptr) append_batcher(json, *metrics);
  if (metrics != nullptr && metrics->memory() != nullptr) append_memory(json, *metrics->memory());
  json.field("requests_live", state.requests_live).key("requests").begin_array();
  for (const LiveRequestState& request : state.requests) append_request(json, request);
  json.end_array().end_object();
  return out;
}

std::string caches_object(const CacheSwitches& caches) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("result_cache", caches.result_cache).field("prefix_cache", caches.prefix_cache);
  json.end_object();
  return out;
}

std::string trim_object(const TrimReport& report) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("resident_bytes_before", report.resident_bytes_before);
  json.field("resident_bytes_after", report.resident_bytes_after);
  json.field("kv_blocks_dropped", report.kv_blocks_dropped);
  json.field("result_bytes_dropped", report.result_bytes_dropped).end_object();
  return out;
}

}  // namespace troupe
