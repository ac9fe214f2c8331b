#include "runtime/metric_aliases.hpp"

#include <algorithm>

#include "runtime/step_plan.hpp"

namespace troupe {
namespace {

using Samples = std::vector<MetricSample>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// One series out of a family, chosen by one of its labels; all of them when no label is named.
struct From {
  const MetricFamily& family;
  const char* label = nullptr;
  const char* value = nullptr;

  bool takes(const MetricSample& sample) const {
    if (label == nullptr) return true;
    return std::any_of(sample.labels.begin(), sample.labels.end(),
                       [this](const auto& one) { return one.first == label && one.second == value; });
  }
  Samples taken() const {
    Samples all = family.samples();
    std::erase_if(all, [this](const MetricSample& sample) { return !takes(sample); });
    return all;
  }
};

MetricSample number(double value) { return {{}, value, {}, 0.0}; }

// Without labels: the sum of what is taken. A histogram is one series.
Samples plain(const From& from) {
  Samples taken = from.taken();
  if (taken.empty()) return {};
  if (from.family.type() == MetricType::kHistogram) {
    taken.front().labels.clear();
    return {std::move(taken.front())};
  }
  double sum = 0.0;
  for (const MetricSample& sample : taken) sum += sample.value;
  return {number(sum)};
}

double value_of(const From& from) {
  double sum = 0.0;
  for (const MetricSample& sample : from.taken()) sum += sample.value;
  return sum;
}

double count_of(const From& from) {
  double count = 0.0;
  for (const MetricSample& sample : from.taken()) count += static_cast<double>(sample.cumulative.back());
  return count;
}

double seconds_of(const From& from) {
  double sum = 0.0;
  for (const MetricSample& sample : from.taken()) sum += sample.sum;
  return sum;
}

Samples quotient(double part, double whole) { return whole > 0.0 ? Samples{number(part / whole)} : Samples{}; }

// One label survives under another name; its values through `words` (those not in it are left out; none: as they are).
Samples relabelled(const MetricFamily& family, const char* label, const char* new_label, const Pairs& words = {}) {
  Samples out;
  for (const MetricSample& sample : family.samples()) {
    for (const auto& [name, value] : sample.labels) {
      if (name != label) continue;
      auto word = std::find_if(words.begin(), words.end(), [&, old = value](const auto& w) { return w.first == old; });
      if (!words.empty() && word == words.end()) continue;
      std::string text = words.empty() ? value : word->second;
      auto same = std::find_if(out.begin(), out.end(), [&](const auto& one) { return one.labels[0].second == text; });
      if (same == out.end()) {
        out.push_back({{{new_label, text}}, sample.value, {}, 0.0});
      } else {
        same->value += sample.value;
      }
    }
  }
  return out;
}

Samples labelled(Samples samples, const char* label, const char* value) {
  for (MetricSample& sample : samples) sample.labels.emplace_back(label, value);
  return samples;
}

// A histogram on fewer of its own bounds: cumulative counts at the bounds that are kept stay exact.
Samples on_bounds(Samples samples, std::span<const double> had, std::span<const double> kept) {
  for (MetricSample& sample : samples) {
    std::vector<std::uint64_t> cumulative;
    for (std::size_t i = 0; i < had.size(); ++i) {
      if (std::find(kept.begin(), kept.end(), had[i]) != kept.end()) cumulative.push_back(sample.cumulative[i]);
    }
    cumulative.push_back(sample.cumulative.back());
    sample.cumulative = std::move(cumulative);
  }
  return samples;
}

Samples joined(Samples a, Samples b) {
  std::move(b.begin(), b.end(), std::back_inserter(a));
  return a;
}

// Bounds that both a stage and a step have: one TGI family shows either.
constexpr double kStageAndStepBounds[] = {0.0001, 0.0002, 0.0005, 0.001, 0.0016, 0.0025, 0.004, 0.0063, 0.01,
                                          0.016,  0.025,  0.04,   0.05,  0.063,  0.08,   0.1,   0.125,  0.16,
                                          0.25,   0.4,    0.63,   1,     2.5,    5,      10};

constexpr MetricType kCounter = MetricType::kCounter;
constexpr MetricType kGauge = MetricType::kGauge;

}  // namespace

struct MetricAliases::Builder {
  MetricAliases& to;
  std::function<Pairs()> common = {};  // labels of every series
  std::vector<std::string> common_names = {};

  void add(MetricType type, const char* name, const char* from, std::function<Samples()> compute,
           std::vector<std::string> labels = {}, std::span<const double> bounds = {}) {
    labels.insert(labels.end(), common_names.begin(), common_names.end());
    auto all = [compute = std::move(compute), common_labels = common] {
      Samples samples = compute();
      if (!common_labels) return samples;
      Pairs extra = common_labels();
      for (MetricSample& sample : samples) sample.labels.insert(sample.labels.end(), extra.begin(), extra.end());
      return samples;
    };
    to.aliases_.push_back(
        std::make_unique<MetricAlias>(to.table_, type, name, from, std::move(labels), bounds, std::move(all)));
  }
  // A family, or one series of it, as it is.
  void same(const char* name, const char* help, const MetricFamily& family, const char* label = nullptr,
            const char* value = nullptr) {
    From from{family, label, value};
    add(
        family.type(), name, help, [from] { return plain(from); }, {}, family.bounds());
  }
};

bool is_alias_vocabulary(std::string_view name) {
  return std::find(kAliasVocabularies.begin(), kAliasVocabularies.end(), name) != kAliasVocabularies.end();
}

MetricAliases::MetricAliases(const Metrics& metrics, const std::vector<std::string>& vocabularies) {
  auto wants = [&](const char* name) {
    return std::find(vocabularies.begin(), vocabularies.end(), name) != vocabularies.end();
  };
  if (wants("llamacpp")) add_llamacpp(metrics);
  if (wants("tgi")) add_tgi(metrics);
  if (wants("vllm")) add_vllm(metrics);
  std::sort(table_.begin(), table_.end(), [](const MetricFamily* a, const MetricFamily* b) {
    return std::string_view(a->name()) < std::string_view(b->name());
  });
}

void MetricAliases::add_vllm(const Metrics& m) {
  Builder b{*this,
            [&m] {
              return Pairs{{"model_name", m.described().model}, {"engine", "0"}};
            },
            {"model_name", "engine"}};
  auto kv_usage = [&m] { return quotient(value_of({m.kv_blocks, "state", "referenced"}), value_of({m.kv_blocks})); };
  b.same("vllm:num_requests_running", "llm_running_sequences", m.running_sequences);
  b.same("vllm:num_requests_waiting", "llm_queue_requests", m.queue_requests);
  b.add(kGauge, "vllm:kv_cache_usage_perc", "llm_kv_blocks: referenced / all, 0 to 1", kv_usage);
  b.add(kGauge, "vllm:gpu_cache_usage_perc", "llm_kv_blocks: referenced / all, 0 to 1", kv_usage);
  b.add(kGauge, "vllm:cache_config_info", "1; llm_kv_blocks",
        [&m] {
          auto blocks = static_cast<std::uint64_t>(value_of({m.kv_blocks}));
          return Samples{
              {{{"block_size", std::to_string(kBlockSize)}, {"num_gpu_blocks", std::to_string(blocks)}}, 1.0, {}, 0.0}};
        },
        {"block_size", "num_gpu_blocks"});
  b.same("vllm:prompt_tokens_total", "llm_prompt_tokens_total", m.prompt_tokens);
  b.same("vllm:prompt_tokens_cached_total", "llm_prompt_tokens_cached_total", m.prompt_tokens_cached);
  b.same("vllm:generation_tokens_total", "llm_tokens_generated_total", m.tokens_generated);
  b.add(kCounter, "vllm:request_success_total", "llm_requests_finished_total{finish_reason}",
        [&m] { return relabelled(m.finishes, "finish_reason", "finished_reason"); }, {"finished_reason"});
  b.add(kCounter, "vllm:admission_rejections_total", "llm_errors_total{code=\"queue_full\"}",
        [&m] {
          return relabelled(m.errors, "code", "reason", {{"queue_full", "queue_full"}});
        },
        {"reason"});
  b.same("vllm:num_preemptions_total", "llm_preemptions_total", m.preemptions);
  b.same("vllm:prefix_cache_queries_total", "llm_prefix_query_tokens_total", m.prefix_query_tokens);
  b.same("vllm:prefix_cache_hits_total", "llm_prefix_hit_tokens_total", m.prefix_hit_tokens);
  b.same("vllm:time_to_first_token_seconds", "llm_time_to_first_token_seconds", m.time_to_first_token);
  b.same("vllm:inter_token_latency_seconds", "llm_inter_token_latency_seconds", m.inter_token_latency);
  b.same("vllm:time_per_output_token_seconds", "llm_inter_token_latency_seconds", m.inter_token_latency);
  b.same("vllm:request_time_per_output_token_seconds", "llm_request_time_per_output_token_seconds",
         m.request_token_time);
  b.same("vllm:e2e_request_latency_seconds", "llm_request_duration_seconds{outcome=\"finished\"}", m.request_duration,
         "outcome", "finished");
  b.same("vllm:request_queue_time_seconds", "llm_request_stage_seconds{stage=\"queue\"}", m.request_stage, "stage",
         "queue");
  b.same("vllm:request_prefill_time_seconds", "llm_request_stage_seconds{stage=\"prefill\"}", m.request_stage, "stage",
         "prefill");
  b.same("vllm:request_decode_time_seconds", "llm_request_stage_seconds{stage=\"decode\"}", m.request_stage, "stage",
         "decode");
  b.same("vllm:request_inference_time_seconds", "llm_request_inference_seconds", m.request_inference);
  b.same("vllm:iteration_tokens_total", "llm_step_tokens", m.step_tokens);
  b.same("vllm:request_prompt_tokens", "llm_request_prompt_tokens", m.request_prompt_tokens);
  b.same("vllm:request_prefill_kv_computed_tokens", "llm_request_prefill_tokens", m.request_prefill_tokens);
  b.same("vllm:request_generation_tokens", "llm_request_generated_tokens", m.request_generated_tokens);
  b.same("vllm:request_max_num_generation_tokens", "llm_request_generated_tokens", m.request_generated_tokens);
  b.same("vllm:request_params_max_tokens", "llm_request_max_tokens", m.request_max_tokens);
  b.same("vllm:request_params_n", "llm_request_choices", m.request_choices);
}

void MetricAliases::add_tgi(const Metrics& m) {
  Builder b{*this};
  b.same("tgi_request_count", "llm_requests_received_total", m.requests_received);
  b.same("tgi_request_success", "llm_requests_total{outcome=\"finished\"}", m.requests, "outcome", "finished");
  b.add(kCounter, "tgi_request_failure", "llm_errors_total{code}, by TGI's words",
        [&m] {
          return relabelled(m.errors, "code", "err",
                            {{"queue_full", "overloaded"},
                             {"rate_limited", "overloaded"},
                             {"not_ready", "overloaded"},
                             {"shutting_down", "overloaded"},
                             {"shed", "overloaded"},
                             {"invalid_request", "validation"},
                             {"context_length_exceeded", "validation"},
                             {"unsupported", "validation"},
                             {"model_not_found", "validation"},
                             {"internal", "generation"},
                             {"cancelled", "dropped"},
                             {"deadline_exceeded", "incomplete"}});
        },
        {"err"});
  b.same("tgi_request_duration", "llm_request_duration_seconds{outcome=\"finished\"}", m.request_duration, "outcome",
         "finished");
  b.same("tgi_request_validation_duration", "llm_request_stage_seconds{stage=\"tokenize\"}", m.request_stage, "stage",
         "tokenize");
  b.same("tgi_request_queue_duration", "llm_request_stage_seconds{stage=\"queue\"}", m.request_stage, "stage", "queue");
  b.same("tgi_request_inference_duration", "llm_request_inference_seconds", m.request_inference);
  b.same("tgi_request_mean_time_per_token_duration", "llm_request_time_per_output_token_seconds", m.request_token_time);
  b.same("tgi_request_input_length", "llm_request_prompt_tokens", m.request_prompt_tokens);
  b.same("tgi_request_generated_tokens", "llm_request_generated_tokens", m.request_generated_tokens);
  b.same("tgi_request_max_new_tokens", "llm_request_max_tokens", m.request_max_tokens);
  b.same("tgi_queue_size", "llm_queue_requests", m.queue_requests);
  b.same("tgi_batch_current_size", "llm_running_sequences", m.running_sequences);
  b.add(kGauge, "tgi_batch_current_max_tokens", "llm_kv_blocks{state=\"referenced\"} * 16 tokens", [&m] {
    return Samples{number(value_of({m.kv_blocks, "state", "referenced"}) * kBlockSize)};
  });
  b.add(kGauge, "tgi_batch_max_total_tokens", "llm_kv_blocks * 16 tokens",
        [&m] { return Samples{number(value_of({m.kv_blocks}) * kBlockSize)}; });
  b.same("tgi_batch_next_size", "llm_batch_size", m.batch_size);
  b.add(kCounter, "tgi_batch_concat", "llm_batch_close_total{reason}, by TGI's words",
        [&m] {
          return relabelled(m.batch_closes, "reason", "reason",
                            {{"full", "backpressure"},
                             {"window", "wait_exceeded"},
                             {"deadline", "wait_exceeded"},
                             {"running", "chunking"}});
        },
        {"reason"});
  auto durations = [&m] {
    Samples prefill =
        on_bounds(plain({m.request_stage, "stage", "prefill"}), m.request_stage.bounds(), kStageAndStepBounds);
    Samples step = on_bounds(plain({m.step_duration}), m.step_duration.bounds(), kStageAndStepBounds);
    return joined(labelled(std::move(prefill), "method", "prefill"), labelled(std::move(step), "method", "decode"));
  };
  const char* of_durations =
      "prefill: llm_request_stage_seconds{stage=\"prefill\"}; decode: llm_step_seconds, prompt chunks included";
  b.add(MetricType::kHistogram, "tgi_batch_inference_duration", of_durations, durations, {"method"},
        kStageAndStepBounds);
  b.add(MetricType::kHistogram, "tgi_batch_forward_duration", of_durations, durations, {"method"}, kStageAndStepBounds);
  b.add(kCounter, "tgi_batch_inference_count", "llm_batch_size_count",
        [&m] { return labelled({number(count_of({m.batch_size}))}, "method", "decode"); }, {"method"});
  b.add(kCounter, "tgi_batch_inference_success", "llm_step_seconds_count",
        [&m] { return labelled({number(count_of({m.step_duration}))}, "method", "decode"); }, {"method"});
  b.add(kCounter, "tgi_batch_inference_failure", "llm_executor_restarts_total",
        [&m] { return labelled(plain({m.executor_restarts}), "method", "decode"); }, {"method"});
}

void MetricAliases::add_llamacpp(const Metrics& m) {
  Builder b{*this};
  From prefill{m.request_stage, "stage", "prefill"};
  From decode{m.request_stage, "stage", "decode"};
  b.same("llamacpp:prompt_tokens_total", "llm_prompt_tokens_total", m.prompt_tokens);
  b.add(kCounter, "llamacpp:prompt_seconds_total", "llm_request_stage_seconds_sum{stage=\"prefill\"}",
        [prefill] { return Samples{number(seconds_of(prefill))}; });
  b.add(kGauge, "llamacpp:prompt_tokens_seconds", "prompt_tokens_total / prompt_seconds_total",
        [&m, prefill] { return quotient(value_of({m.prompt_tokens}), seconds_of(prefill)); });
  b.same("llamacpp:tokens_predicted_total", "llm_tokens_generated_total", m.tokens_generated);
  b.add(kCounter, "llamacpp:tokens_predicted_seconds_total", "llm_request_stage_seconds_sum{stage=\"decode\"}",
        [decode] { return Samples{number(seconds_of(decode))}; });
  b.add(kGauge, "llamacpp:predicted_tokens_seconds", "tokens_predicted_total / tokens_predicted_seconds_total",
        [&m, decode] { return quotient(value_of({m.tokens_generated}), seconds_of(decode)); });
  b.same("llamacpp:requests_processing", "llm_running_sequences", m.running_sequences);
  b.same("llamacpp:requests_deferred", "llm_queue_requests", m.queue_requests);
  b.same("llamacpp:n_tokens_max", "llm_sequence_tokens_max", m.sequence_tokens_max);
  b.add(kCounter, "llamacpp:n_decode_total", "llm_step_seconds_count",
        [&m] { return Samples{number(count_of({m.step_duration}))}; });
  b.add(kGauge, "llamacpp:n_busy_slots_per_decode", "llm_batch_size_sum / llm_batch_size_count",
        [&m] { return quotient(seconds_of({m.batch_size}), count_of({m.batch_size})); });
  b.add(kGauge, "llamacpp:kv_cache_usage_ratio", "llm_kv_blocks: referenced / all, 0 to 1", [&m] {
    return quotient(value_of({m.kv_blocks, "state", "referenced"}), value_of({m.kv_blocks}));
  });
  b.add(kGauge, "llamacpp:kv_cache_tokens", "llm_kv_blocks{state=\"referenced\"} * 16 tokens", [&m] {
    return Samples{number(value_of({m.kv_blocks, "state", "referenced"}) * kBlockSize)};
  });
}

}  // namespace troupe
