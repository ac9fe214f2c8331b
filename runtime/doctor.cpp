#include "runtime/doctor.hpp"

#include <algorithm>
#include <cstdio>

namespace troupe {
namespace {

// A device that computes for more than this share of the time is what others wait for.
constexpr double kBusyShare = 0.7;
constexpr double kIdleShare = 0.05;
// Blocks that a newcomer could have, of all: below it memory decides who runs.
constexpr double kScarceBlocks = 0.1;
// More than half of what requests spend is spent in a stage: it is named.
constexpr double kMostOfTime = 0.5;

std::string figure(const char* format, double a, double b = 0.0, double c = 0.0) {
  char text[200];
  std::snprintf(text, sizeof text, format, a, b, c);
  return text;
}

// What the rules look at.
struct Figures {
  double received, refused, queue_full, steps, busy, rows, positions, generated;  // since `before`
  double preemptions, write_stalls, connections_refused, restarts;
  double memory, memory_limit, memory_steps, memory_refusals;                 // bytes now; since `before`
  double in_progress, running, queued, queue_oldest, blocks, blocks_to_have;  // now
  double receive_s, prefill_s, decode_s, all_stages_s;                        // of requests that ended since

  Figures(const Scrape& before, const Scrape& after, double seconds) {
    auto since = [&](std::string_view name, Scrape::Where labels = {}) {
      return std::max(0.0, after.sum(name, labels) - before.sum(name, labels));  // 0 after a restart
    };
    received = since("llm_requests_received_total") / seconds;
    refused = since("llm_requests_total", {{"outcome", "rejected"}}) / seconds;
    queue_full = since("llm_errors_total", {{"code", "queue_full"}}) / seconds;
    steps = since("llm_step_seconds_count");
    busy = std::min(1.0, since("llm_step_seconds_sum") / seconds);  // a long step began before
    rows = steps > 0.0 ? since("llm_batch_size_sum") / std::max(1.0, since("llm_batch_size_count")) : 0.0;
    positions = since("llm_step_tokens_sum") / seconds;
    generated = since("llm_tokens_generated_total") / seconds;
    preemptions = since("llm_preemptions_total");
    write_stalls = since("llm_cancellations_total", {{"reason", "write_stall"}});
    connections_refused = since("llm_http_connections_refused_total");
    memory = after.sum("llm_memory_bytes");
    memory_limit = after.sum("llm_memory_limit_bytes");
    memory_steps = since("llm_memory_degraded_total");
    memory_refusals = since("llm_memory_degraded_total", {{"step", "refusal"}});
    restarts = since("llm_executor_restarts_total");
    in_progress = after.sum("llm_requests_in_progress");
    running = after.sum("llm_running_sequences");
    queued = std::min(after.sum("llm_queue_requests"), before.sum("llm_queue_requests"));  // all the time
    queue_oldest = after.sum("llm_queue_oldest_seconds");
    blocks = after.sum("llm_kv_blocks");
    blocks_to_have =
        after.sum("llm_kv_blocks", {{"state", "free"}}) + after.sum("llm_kv_blocks", {{"state", "cached"}});
    auto stage = [&](std::string_view name) { return since("llm_request_stage_seconds_sum", {{"stage", name}}); };
    receive_s = stage("receive");
    prefill_s = stage("prefill");
    decode_s = stage("decode");
    all_stages_s = since("llm_request_stage_seconds_sum");
  }

  double blocks_share() const { return blocks > 0.0 ? blocks_to_have / blocks : 1.0; }
  double prompt_positions() const { return std::max(0.0, positions - generated); }
  // By the time of the requests that ended; when none did, by what the steps computed.
  double prefill_share() const {
    if (prefill_s + decode_s > 0.0) return prefill_s / (prefill_s + decode_s);
    return positions > 0.0 ? prompt_positions() / positions : 0.0;
  }
};

void add_load(const Figures& f, std::vector<std::string>& evidence) {
  evidence.push_back(figure("%.1f requests/s offered, %.1f tokens/s generated, %.0f prompt positions/s computed",
                            f.received, f.generated, f.prompt_positions()));
  evidence.push_back(figure("the device computes %.0f %% of the time, %.1f sequences in a step", 100 * f.busy, f.rows));
  evidence.push_back(
      figure("%.0f sequences run, %.0f wait, the oldest for %.2f s", f.running, f.queued, f.queue_oldest));
  if (f.memory_steps == 0.0) return;
  constexpr double kMebibyte = 1U << 20U;
  evidence.push_back(
      figure("memory is tight: %.0f of %.0f MiB of memory.limit are taken; it was given way for %.0f times",
             f.memory / kMebibyte, f.memory_limit / kMebibyte, f.memory_steps));
}

Bottleneck find(const Figures& f) {
  if (f.in_progress > 0.0 && f.steps == 0.0) return Bottleneck::kStalled;
  bool is_scarce = f.blocks_share() < kScarceBlocks;
  if (f.preemptions > 0.0 || (is_scarce && f.queued > 0.0)) return Bottleneck::kKvCapacity;
  if (f.queue_full > 0.0) return Bottleneck::kRefusing;
  bool is_slow_to_send = f.all_stages_s > 0.0 && f.receive_s > kMostOfTime * f.all_stages_s;
  if (f.connections_refused > 0.0 || is_slow_to_send) return Bottleneck::kNetwork;
  if (f.write_stalls > 0.0 && f.busy < kBusyShare) return Bottleneck::kNetwork;
  // While prompts fill the steps, others wait for that and not for a row.
  if (f.queued > 0.0 && f.prefill_share() <= kMostOfTime) return Bottleneck::kQueue;
  if (f.busy < kIdleShare) return Bottleneck::kIdle;
  return f.prefill_share() > kMostOfTime ? Bottleneck::kPrefill : Bottleneck::kDecode;
}

void advise(const Figures& f, Diagnosis& d) {
  auto say = [&](std::string text) { d.advice.push_back(std::move(text)); };
  switch (d.bottleneck) {
    case Bottleneck::kStalled:
      d.evidence.push_back(figure("%.0f requests in progress, no step came back; %.0f executors were started anew",
                                  f.in_progress, f.restarts));
      say("GET /ready names the stuck stage; GET /admin/v1/state shows every request; the log says what died");
      return;
    case Bottleneck::kKvCapacity:
      d.evidence.push_back(
          figure("%.0f of %.0f KV blocks can be had, %.0f preemptions", f.blocks_to_have, f.blocks, f.preemptions));
      say("raise kv.memory (or give the machine more), or lower model.context");
      say("lower batching.sequences_max: fewer sequences run, none is computed twice");
      return;
    case Bottleneck::kRefusing:
      d.evidence.push_back(
          figure("%.1f refusals/s because the queue is full, of %.1f requests/s offered", f.queue_full, f.received));
      if (f.memory_refusals > 0.0) say("raise memory.limit, or ask for less: shorter max_tokens, fewer logprobs");
      say("more is offered than the device computes: add a server, or cores (compute.threads)");
      say("batching.queue_max and batching.queue_tokens_max only decide how long clients wait before they are refused");
      return;
    case Bottleneck::kQueue:
      d.evidence.push_back(
          figure("%.0f of %.0f KV blocks can be had: memory is not what is waited for", f.blocks_to_have, f.blocks));
      say("raise batching.sequences_max while the device is not slower per token with larger steps");
      say("else add a server, or cores (compute.threads)");
      return;
    case Bottleneck::kNetwork:
      d.evidence.push_back(figure("%.0f readers took nothing for too long, %.0f connections refused", f.write_stalls,
                                  f.connections_refused));
      d.evidence.push_back(
          figure("%.2f s of %.2f s of the requests that ended went into receiving them", f.receive_s, f.all_stages_s));
      say("look at the clients and the proxy between: buffering, idle limits, bandwidth");
      say("server.connections_max, server.write_stall_ms and server.body_timeout_ms are the bounds that were met");
      return;
    case Bottleneck::kPrefill:
      d.evidence.push_back(figure("prompts take %.0f %% of the time in the device", 100 * f.prefill_share()));
      say("share prompt beginnings: kv.prefix_cache = true, the common part first");
      say("lower batching.prefill_chunk_max for smoother streams; more cores (compute.threads) for shorter prompts' "
          "time");
      return;
    case Bottleneck::kDecode:
      d.evidence.push_back(figure("output takes %.0f %% of the time in the device", 100 * (1.0 - f.prefill_share())));
      say("at this load each token waits for memory and cores: a smaller quantization, more cores (compute.threads)");
      say("for throughput instead of latency let more requests run at once: larger steps cost little more");
      return;
    case Bottleneck::kIdle:
      say("nothing is waited for: the server can take more");
      return;
  }
}

}  // namespace

const char* name_of(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::kStalled:
      return "stalled";
    case Bottleneck::kKvCapacity:
      return "kv_capacity";
    case Bottleneck::kRefusing:
      return "refusing";
    case Bottleneck::kQueue:
      return "queue";
    case Bottleneck::kNetwork:
      return "network";
    case Bottleneck::kPrefill:
      return "prefill";
    case Bottleneck::kDecode:
      return "decode";
    case Bottleneck::kIdle:
      return "idle";
  }
  return "";
}

Result<Diagnosis> diagnose(const Scrape& before, const Scrape& after, double seconds) {
  if (!(seconds > 0.0)) return Error{ErrorCode::kInvalidRequest, "the two scrapes must be some time apart", "", 0};
  for (const Scrape* scrape : {&before, &after}) {
    if (!scrape->has("llm_requests_received_total") || !scrape->has("llm_kv_blocks")) {
      return Error{ErrorCode::kInvalidRequest, "these are not the metrics of a Troupe server", "", 0};
    }
  }
  Figures figures(before, after, seconds);
  Diagnosis diagnosis;
  diagnosis.bottleneck = find(figures);
  add_load(figures, diagnosis.evidence);
  if (auto first = after.quantile_since(before, "llm_time_to_first_token_seconds", 0.95)) {
    diagnosis.evidence.push_back(figure("time to first token: 95 %% within %.3f s", *first));
  }
  if (auto between = after.quantile_since(before, "llm_inter_token_latency_seconds", 0.99)) {
    diagnosis.evidence.push_back(figure("between tokens: 99 %% within %.1f ms", *between * 1000));
  }
  advise(figures, diagnosis);
  return diagnosis;
}

std::string report_of(const Diagnosis& diagnosis) {
  std::string text = std::string("bottleneck: ") + name_of(diagnosis.bottleneck) + "\nevidence:\n";
  for (const std::string& line : diagnosis.evidence) text += "  " + line + "\n";
  text += "what to turn:\n";
  for (const std::string& line : diagnosis.advice) text += "  " + line + "\n";
  return text;
}

}  // namespace troupe
