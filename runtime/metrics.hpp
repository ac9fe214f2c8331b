#pragma once
// Every metric of the server, in one table: name, help, labels and bucket bounds stand here and nowhere else.
// docs/metrics.md describes the same families; a test compares the two. Any thread observes, any thread collects.
//
// The functions at the end of `Metrics` change what belongs together; the request actor calls them, so that sums
// agree request by request. The rest is observed directly, by whoever owns the value.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/doors/clock.hpp"
#include "runtime/metric_family.hpp"
#include "runtime/metric_labels.hpp"
#include "runtime/process_figures.hpp"
#include "runtime/request_end.hpp"
#include "runtime/server_info.hpp"
#include "runtime/tenant_figures.hpp"

namespace troupe {

// Each is a superset of vLLM's bounds for the same quantity, so that its dashboards' quantiles can be compared.
namespace bucket_bounds {
extern const std::span<const double> kFirstToken, kInterToken, kDuration, kStep, kTokens, kSequences, kLength, kChoices;
}

struct Metrics {
 private:
  Clock clock_;
  MetricTable table_;
  ServerInfo info_;
  std::shared_ptr<const MemoryGovernor> memory_;
  WindowedRate offered_rate_, served_rate_, token_rate_;
  QuantileSketch first_token_sketch_, inter_token_sketch_, duration_sketch_;
  FiguresByTenant tenants_;
  std::atomic<std::int64_t> oldest_waiting_ns_ = kNobodyWaits;  // steady time
  static constexpr std::int64_t kNobodyWaits = INT64_MIN;

 public:
  explicit Metrics(Clock clock = steady_clock());
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // ---- requests -------------------------------------------------------------------------------------------------
  Counters<> requests_received{table_, "llm_requests_received_total",
                               "Sequences handed to the service; a request with n choices is n of them."};
  Counters<> requests_accepted{table_, "llm_requests_accepted_total", "Sequences the batcher accepted."};
  Counters<Outcome> requests{table_,
                             "llm_requests_total",
                             "Sequences that ended, by outcome; rejected and abandoned ones were never accepted.",
                             {"outcome"}};
  DerivedMetric requests_in_progress{
      table_, MetricType::kGauge, "llm_requests_in_progress",
      "Accepted sequences that have not ended: accepted - finished - failed - cancelled.",
      [this] { return of_books(requests_in_progress, all_books()); }};
  Counters<FinishReason> finishes{
      table_, "llm_requests_finished_total", "Finished sequences by finish_reason.", {"finish_reason"}};
  Counters<CancelReason> cancellations{
      table_, "llm_cancellations_total", "Sequences that were cancelled, accepted or not, by reason.", {"reason"}};
  Counters<Stage, DeadlineSource> timeouts{
      table_,
      "llm_timeouts_total",
      "Deadlines that passed, by the stage the request was in and by whose it was.",
      {"stage", "source"}};
  Counters<ErrorCode, Fault, Protocol> errors{table_,
                                              "llm_errors_total",
                                              "Errors sent to clients, by code, by who can mend it and by protocol.",
                                              {"code", "fault", "protocol"}};
  Counters<> retries{table_, "llm_request_retries_total",
                     "Sequences put back into the queue because what worked on them died: executor, batcher or actor."};

  // ---- tenants --------------------------------------------------------------------------------------------------
  DerivedMetric tenant_accepted{table_,
                                MetricType::kCounter,
                                "llm_tenant_requests_accepted_total",
                                "Sequences the batcher accepted, by tenant.",
                                [this] { return of_books(tenant_accepted, all_books()); },
                                {"tenant"}};
  DerivedMetric tenant_requests{
      table_,
      MetricType::kCounter,
      "llm_tenant_requests_total",
      "Sequences that ended, by tenant and outcome; the tenants add up to llm_requests_total.",
      [this] { return of_books(tenant_requests, all_books()); },
      {"tenant", "outcome"}};
  DerivedMetric tenant_in_progress{table_,
                                   MetricType::kGauge,
                                   "llm_tenant_requests_in_progress",
                                   "Accepted sequences that have not ended, by tenant.",
                                   [this] { return of_books(tenant_in_progress, all_books()); },
                                   {"tenant"}};
  DerivedMetric tenant_limited{table_,
                               MetricType::kCounter,
                               "llm_tenant_limited_total",
                               "Sequences refused because their tenant had used what it may have, by limit.",
                               [this] {
                                 return tenants_.samples("limit", TenantLimit{}, [this](std::size_t at, std::size_t i) {
                                   return tenants_.at(at).limited[i].value();
                                 });
                               },
                               {"tenant", "limit"}};
  DerivedMetric tenant_tokens{table_,
                              MetricType::kCounter,
                              "llm_tenant_tokens_total",
                              "Tokens of accepted sequences by tenant: prompts, and output as it comes.",
                              [this] {
                                return tenants_.samples("kind", TokenKind{}, [this](std::size_t at, std::size_t i) {
                                  return tenants_.at(at).tokens[i].value();
                                });
                              },
                              {"tenant", "kind"}};
  DerivedMetric tenant_waiting{
      table_,
      MetricType::kGauge,
      "llm_tenant_queue_requests",
      "Sequences that wait to be scheduled, by tenant.",
      [this] { return tenants_.samples([this](std::size_t at) { return tenants_.at(at).waiting.value(); }); },
      {"tenant"}};
  DerivedMetric tenant_running{
      table_,
      MetricType::kGauge,
      "llm_tenant_running_sequences",
      "Sequences that hold KV blocks, by tenant.",
      [this] { return tenants_.samples([this](std::size_t at) { return tenants_.at(at).running.value(); }); },
      {"tenant"}};

  // ---- latency --------------------------------------------------------------------------------------------------
  Histograms<Outcome> request_duration{table_,
                                       "llm_request_duration_seconds",
                                       "Arrival of the request to its last byte handed to the writer, by outcome.",
                                       bucket_bounds::kDuration,
                                       {"outcome"}};
  Histograms<> time_to_first_token{table_, "llm_time_to_first_token_seconds",
                                   "Arrival of the request (before tokenization) to its first token event.",
                                   bucket_bounds::kFirstToken};
  Histograms<> inter_token_latency{table_, "llm_inter_token_latency_seconds",
                                   "Time between successive token events of a sequence.", bucket_bounds::kInterToken};
  Histograms<Stage> request_stage{table_,
                                  "llm_request_stage_seconds",
                                  "Time a request spent in each stage; the stages of a request add up to its duration.",
                                  bucket_bounds::kDuration,
                                  {"stage"}};
  DerivedMetric first_token_quantiles{table_,
                                      MetricType::kGauge,
                                      "llm_time_to_first_token_quantile_seconds",
                                      "Time to first token over the last minute; within 1 %.",
                                      [this] { return quantiles(first_token_sketch_); },
                                      {"quantile"}};
  DerivedMetric inter_token_quantiles{table_,
                                      MetricType::kGauge,
                                      "llm_inter_token_latency_quantile_seconds",
                                      "Inter-token latency over the last minute; within 1 %.",
                                      [this] { return quantiles(inter_token_sketch_); },
                                      {"quantile"}};
  DerivedMetric duration_quantiles{table_,
                                   MetricType::kGauge,
                                   "llm_request_duration_quantile_seconds",
                                   "Duration of finished requests over the last minute; within 1 %.",
                                   [this] { return quantiles(duration_sketch_); },
                                   {"quantile"}};

  Histograms<> request_inference{table_, "llm_request_inference_seconds",
                                 "First scheduled to last token of finished sequences: prefill and decode.",
                                 bucket_bounds::kDuration};
  Histograms<> request_token_time{table_, "llm_request_time_per_output_token_seconds",
                                  "Mean time between the tokens of a finished sequence.", bucket_bounds::kInterToken};

  // ---- sizes of requests ----------------------------------------------------------------------------------------
  Histograms<> request_prompt_tokens{table_, "llm_request_prompt_tokens", "Prompt tokens of a finished sequence.",
                                     bucket_bounds::kLength};
  Histograms<> request_prefill_tokens{table_, "llm_request_prefill_tokens",
                                      "Prompt tokens of a finished sequence that the prefix cache did not save.",
                                      bucket_bounds::kLength};
  Histograms<> request_generated_tokens{table_, "llm_request_generated_tokens", "Output tokens of a finished sequence.",
                                        bucket_bounds::kLength};
  Histograms<> request_max_tokens{table_, "llm_request_max_tokens", "Output tokens a finished sequence was allowed.",
                                  bucket_bounds::kLength};
  Histograms<> request_choices{table_, "llm_request_choices", "Sequences of a request: its choices, times its prompts.",
                               bucket_bounds::kChoices};
  Gauges<> sequence_tokens_max{table_, "llm_sequence_tokens_max",
                               "Most tokens, prompt and output, that a finished sequence has had."};

  // ---- tokens and rates -----------------------------------------------------------------------------------------
  Counters<> tokens_generated{table_, "llm_tokens_generated_total", "Output tokens, counted one by one as they come."};
  Counters<> prompt_tokens{table_, "llm_prompt_tokens_total", "Prompt tokens of accepted sequences."};
  Counters<> prompt_tokens_cached{table_, "llm_prompt_tokens_cached_total",
                                  "Prompt tokens of accepted sequences that the prefix cache saved."};
  DerivedMetric requests_per_second{table_, MetricType::kGauge, "requests_per_second",
                                    "Sequences finished a second, over the last 10 s (served, not offered).",
                                    [this] { return one(served_rate_.per_second(clock_())); }};
  DerivedMetric requests_offered_per_second{table_, MetricType::kGauge, "requests_offered_per_second",
                                            "Sequences received a second, refused ones included, over the last 10 s.",
                                            [this] { return one(offered_rate_.per_second(clock_())); }};
  DerivedMetric tokens_per_second{table_, MetricType::kGauge, "tokens_per_second",
                                  "Output tokens a second, all sequences together, over the last 10 s.",
                                  [this] { return one(token_rate_.per_second(clock_())); }};

  // ---- queue ----------------------------------------------------------------------------------------------------
  Gauges<> queue_requests{table_, "llm_queue_requests", "Sequences that wait to be scheduled."};
  Gauges<> queue_tokens{table_, "llm_queue_tokens", "Prompt tokens of the sequences that wait."};
  DerivedMetric queue_oldest{table_, MetricType::kGauge, "llm_queue_oldest_seconds",
                             "How long the sequence that has waited longest has waited; 0 when nobody waits.",
                             [this] { return one(oldest_waiting_seconds()); }};

  // ---- batching -------------------------------------------------------------------------------------------------
  Gauges<> running_sequences{table_, "llm_running_sequences", "Sequences that hold KV blocks and are being computed."};
  Histograms<> batch_size{table_, "llm_batch_size", "Sequences in a step.", bucket_bounds::kSequences};
  Histograms<> step_tokens{table_, "llm_step_tokens", "Token positions computed in a step.", bucket_bounds::kTokens};
  Histograms<> step_duration{table_, "llm_step_seconds", "Handing a step to the executor to getting its result back.",
                             bucket_bounds::kStep};
  Counters<BatchClose> batch_closes{
      table_, "llm_batch_close_total", "Steps started, by the reason to wait no longer.", {"reason"}};
  Gauges<> batch_window{table_, "llm_batch_window_seconds",
                        "How long an idle executor last decided to wait for company before it starts a step."};
  Counters<StepBound> step_bounds{table_,
                                  "llm_step_bound_total",
                                  "Steps started, by what bounded them: calm (no first token in danger), urgent "
                                  "(deadlines of waiting prompts), gap (the inter-token target), solo (nobody "
                                  "decodes), fixed (the configuration).",
                                  {"bound"}};
  Gauges<> step_target{table_, "llm_step_target_seconds", "How long the last planned step was allowed to take."};
  Gauges<> sequences_limit{table_, "llm_sequences_limit", "Sequences that may run, as the window last decided."};
  Gauges<> step_model_gain{table_, "llm_step_model_gain",
                           "How much slower than learnt everything runs at the moment; 1 is as learnt."};
  Gauges<> step_model_spread{table_, "llm_step_model_spread",
                             "Nearly all steps take less than this times their prediction."};
  Gauges<> step_model_error{table_, "llm_step_model_error", "Mean relative error of the predicted step times lately."};
  Gauges<> gap_trim{table_, "llm_gap_trim", "Share of the promised inter-token time that steps are planned for."};
  Counters<> discarded_tokens{table_, "llm_discarded_tokens_total",
                              "Computed positions nobody used: sampled after a stop or for a dropped sequence."};
  Counters<> recomputed_tokens{table_, "llm_recomputed_tokens_total",
                               "Positions computed once more after a preemption or the death of an executor."};
  DerivedMetric batch_efficiency{table_, MetricType::kGauge, "llm_batch_efficiency",
                                 "Share of the computed positions since the start that were neither discarded nor "
                                 "recomputed, 0 to 1.",
                                 [this] { return efficiency(); }};

  // ---- targets --------------------------------------------------------------------------------------------------
  Counters<Verdict> goodput_requests{
      table_,
      "llm_goodput_requests_total",
      "Finished sequences by whether they held the latency targets in force: the first token in time and 99 % of the "
      "gaps between tokens within the target.",
      {"verdict"}};
  Counters<> goodput_tokens{table_, "llm_goodput_tokens_total",
                            "Output tokens of the sequences that held the targets."};
  Counters<> infeasible{table_, "llm_slo_infeasible_total",
                        "Finished sequences whose first token could not have been in time alone on the machine."};
  Counters<> refused_late{table_, "llm_admission_refused_total",
                          "Sequences refused because their first token was predicted later than promised."};
  Gauges<> retry_line{table_, "llm_retry_line_requests",
                      "Refused requests that were told when to come back and are not back: they have a place in line."};
  Counters<PlaceEnd> retry_places{table_,
                                  "llm_retry_places_total",
                                  "Places in line that ended: kept (the request came back when it was told) or lost "
                                  "(it did not).",
                                  {"outcome"}};
  Gauges<PromptClass> admission_doubt{table_,
                                      "llm_admission_doubt",
                                      "How many times a predicted first token counts at admission, by length of "
                                      "prompt; above 1 after predictions that were too good.",
                                      {"prompt"}};
  Histograms<> cancel_to_free{table_, "llm_cancel_to_free_seconds",
                              "From the cancel of a scheduled or waiting sequence to its KV blocks being free.",
                              bucket_bounds::kStep};

  // ---- memory of sequences --------------------------------------------------------------------------------------
  Gauges<KvState> kv_blocks{
      table_, "llm_kv_blocks", "KV blocks by state; the states add up to all there are.", {"state"}};
  Counters<> preemptions{table_, "llm_preemptions_total", "Sequences that gave their KV blocks back to be recomputed."};
  Counters<> prefix_query_tokens{table_, "llm_prefix_query_tokens_total",
                                 "Prompt tokens looked up in the prefix cache."};
  Counters<> prefix_hit_tokens{table_, "llm_prefix_hit_tokens_total", "Prompt tokens found in the prefix cache."};

  // ---- result cache ---------------------------------------------------------------------------------------------
  Counters<> result_cache_hits{table_, "llm_result_cache_hits_total", "Requests answered from the result cache."};
  Counters<> result_cache_misses{table_, "llm_result_cache_misses_total", "Look-ups that found no stored answer."};
  Gauges<> result_cache_bytes{table_, "llm_result_cache_bytes", "Memory the stored answers take."};

  // ---- devices --------------------------------------------------------------------------------------------------
  DerivedMetric weights{table_,
                        MetricType::kGauge,
                        "llm_weights_bytes",
                        "Matrices of the model by their format in memory, each multiplied by kernels of its own.",
                        [this] { return weights_by_format(); },
                        {"format"}};
  Gauges<> memory_pinned{table_, "llm_memory_pinned_bytes", "Weights and K/V that are locked into RAM."};
  Counters<> executor_restarts{table_, "llm_executor_restarts_total", "Executors started anew after a death."};
  Gauges<GpuIndex> gpu_utilization{table_,
                                   "llm_gpu_utilization_percent",
                                   "How busy the driver says a GPU is, 0 to 100; absent without a GPU.",
                                   {"gpu"},
                                   std::numeric_limits<double>::quiet_NaN()};

  // ---- network --------------------------------------------------------------------------------------------------
  Counters<HttpRoute, HttpStatus> http_requests{
      table_, "llm_http_requests_total", "HTTP requests answered, by route and status.", {"route", "status"}};
  Gauges<> http_connections{table_, "llm_http_connections", "Open client connections, WebSockets included."};
  Counters<> connections_accepted{table_, "llm_http_connections_accepted_total", "Client connections accepted."};
  Counters<> connections_refused{table_, "llm_http_connections_refused_total",
                                 "Client connections closed at once because there were too many."};
  Gauges<> ws_sockets{table_, "llm_websocket_connections", "Open WebSockets."};
  Counters<WsClose> ws_closes{table_, "llm_websocket_closes_total", "WebSockets that ended, by close code.", {"code"}};

  // ---- access log -----------------------------------------------------------------------------------------------
  Counters<> access_log_lines{table_, "llm_access_log_lines_total", "Lines written to the access log."};
  Counters<> access_log_dropped{table_, "llm_access_log_dropped_total",
                                "Lines lost: the queue of the access log was full, or its file could not be written."};

  // ---- memory that grows with clients ---------------------------------------------------------------------------
  DerivedMetric memory_used{table_,
                            MetricType::kGauge,
                            "llm_memory_bytes",
                            "Host memory taken for clients, by what it is for; the plan (weights, KV) is not in it.",
                            [this] { return memory_by_use(); },
                            {"use"}};
  DerivedMetric memory_peak{table_, MetricType::kGauge, "llm_memory_peak_bytes",
                            "The most that was ever taken at a time.",
                            [this] { return memory_figure(&MemoryGovernor::most_used); }};
  DerivedMetric memory_limit{table_, MetricType::kGauge, "llm_memory_limit_bytes",
                             "memory.limit in force: what is taken together stays below nine tenths of it.",
                             [this] { return memory_figure(&MemoryGovernor::limit); }};
  DerivedMetric memory_level{
      table_, MetricType::kGauge, "llm_memory_level",
      "0: calm; 1: the result cache gives back (60 % are taken); 2: slow readers are cut off (75 %).",
      [this] { return memory_level_now(); }};
  DerivedMetric memory_steps{
      table_,
      MetricType::kCounter,
      "llm_memory_degraded_total",
      "What was done because memory was tight: answers not stored or forgotten, slow readers cut "
      "off, connections and requests refused.",
      [this] { return memory_by_step(); },
      {"step"}};

  // ---- process --------------------------------------------------------------------------------------------------
  DerivedMetric server_info{table_,
                            MetricType::kGauge,
                            "llm_server_info",
                            "1; what is served, by which version and on which device, as labels.",
                            [this] { return info(); },
                            {"version", "model_name", "architecture", "quantization", "numerics_class", "device"}};
  DerivedMetric process_cpu{table_, MetricType::kCounter, "process_cpu_seconds_total",
                            "User and system CPU time of the process.", [] { return process_cpu_seconds(); }};
  DerivedMetric process_memory{table_, MetricType::kGauge, "process_resident_memory_bytes",
                               "Memory of the process that is in RAM.", [] { return process_resident_bytes(); }};
  DerivedMetric process_fds{table_, MetricType::kGauge, "process_open_fds", "Open file descriptors.",
                            [] { return process_open_fds(); }};
  DerivedMetric process_start{table_, MetricType::kGauge, "process_start_time_seconds",
                              "Unix time at which the process started.", [] { return process_start_seconds(); }};

  // ---- what belongs together ------------------------------------------------------------------------------------
  void request_received();  // handed to the service
  // The batcher accepted it, or its answer came from the result cache.
  void request_accepted(std::uint32_t prompt_token_count, TenantClass tenant = TenantClass::kAnonymous);
  void first_token(std::chrono::nanoseconds since_arrival);
  void next_token(std::chrono::nanoseconds since_previous);
  // Output tokens, as they come; the first one too.
  void tokens(std::uint64_t n, TenantClass tenant = TenantClass::kAnonymous);
  void request_ended(const RequestEnd& end);           // exactly once for each request_received
  void error_sent(ErrorCode code, Protocol protocol);  // net/, for every error a client sees
  void http_answered(HttpRoute route, int status);
  void oldest_waiting(std::optional<SteadyTime> since);
  void tenant_limited_by(TenantClass tenant, TenantLimit limit);
  void tenant_load(TenantClass tenant, std::uint32_t waiting, std::uint32_t running);
  void name_tenants(std::vector<std::string> names) { tenants_.name(std::move(names)); }     // of the named classes
  void describe(ServerInfo info);                                                            // before the threads start
  void watch(std::shared_ptr<const MemoryGovernor> memory) { memory_ = std::move(memory); }  // likewise

  // ---- reading --------------------------------------------------------------------------------------------------
  // By name, ascending. The families that make up the books are of one reading: in every scrape they add up.
  using Visit = std::function<void(const MetricFamily&, std::vector<MetricSample>)>;
  void collect(const Visit& visit) const;
  const MetricTable& families() const { return table_; }
  const MetricFamily* find(std::string_view name) const;
  RequestBooks books() const { return all_books().all; }
  AllBooks all_books() const;
  const ServerInfo& described() const { return info_; }
  const MemoryGovernor* memory() const { return memory_.get(); }  // nullptr: nobody counts it
  double oldest_waiting_seconds() const;

 private:
  void finished(const RequestEnd& end);
  // The samples of a family that shows the books; none for the others.
  std::vector<MetricSample> of_books(const MetricFamily& family, const AllBooks& books) const;
  static std::vector<MetricSample> one(double value);
  std::vector<MetricSample> quantiles(const QuantileSketch& sketch) const;
  std::vector<MetricSample> efficiency() const;
  std::vector<MetricSample> info() const;
  std::vector<MetricSample> weights_by_format() const;
  std::vector<MetricSample> memory_by_use() const;
  std::vector<MetricSample> memory_by_step() const;
  std::vector<MetricSample> memory_level_now() const;
  std::vector<MetricSample> memory_figure(std::uint64_t (MemoryGovernor::*figure)() const) const;
};

}  // namespace troupe
