// The names other servers' dashboards ask for, and docs/metrics.md, which is printed from the tables:
//   build/dev/test/runtime/runtime_policy_test "[print]"
#include "runtime/metric_aliases.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "test/source_dir.hpp"

using namespace troupe;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> kAll(kAliasVocabularies.begin(), kAliasVocabularies.end());

// The names in the queries of vLLM's own dashboards (vLLM, production-stack, performance and query statistics).
const std::vector<std::string> kVllmNames = {"vllm:e2e_request_latency_seconds",
                                             "vllm:prompt_tokens_total",
                                             "vllm:generation_tokens_total",
                                             "vllm:inter_token_latency_seconds",
                                             "vllm:time_per_output_token_seconds",
                                             "vllm:request_time_per_output_token_seconds",
                                             "vllm:num_requests_running",
                                             "vllm:num_requests_waiting",
                                             "vllm:time_to_first_token_seconds",
                                             "vllm:kv_cache_usage_perc",
                                             "vllm:gpu_cache_usage_perc",
                                             "vllm:request_prompt_tokens",
                                             "vllm:request_generation_tokens",
                                             "vllm:request_success_total",
                                             "vllm:request_queue_time_seconds",
                                             "vllm:request_prefill_time_seconds",
                                             "vllm:request_decode_time_seconds",
                                             "vllm:request_inference_time_seconds",
                                             "vllm:request_max_num_generation_tokens",
                                             "vllm:request_params_max_tokens",
                                             "vllm:request_params_n",
                                             "vllm:num_preemptions_total",
                                             "vllm:prefix_cache_queries_total",
                                             "vllm:prefix_cache_hits_total",
                                             "vllm:prompt_tokens_cached_total",
                                             "vllm:iteration_tokens_total",
                                             "vllm:request_prefill_kv_computed_tokens",
                                             "vllm:cache_config_info",
                                             "vllm:admission_rejections_total"};
// Of TGI's dashboard, without tgi_request_skipped_tokens (speculation), tgi_batch_concat_duration,
// tgi_batch_decode_duration and tgi_batch_filter_duration: what they time is not a step of this server.
const std::vector<std::string> kTgiNames = {"tgi_request_count",
                                            "tgi_request_success",
                                            "tgi_request_failure",
                                            "tgi_request_duration",
                                            "tgi_request_validation_duration",
                                            "tgi_request_queue_duration",
                                            "tgi_request_inference_duration",
                                            "tgi_request_mean_time_per_token_duration",
                                            "tgi_request_input_length",
                                            "tgi_request_generated_tokens",
                                            "tgi_request_max_new_tokens",
                                            "tgi_queue_size",
                                            "tgi_batch_current_size",
                                            "tgi_batch_current_max_tokens",
                                            "tgi_batch_next_size",
                                            "tgi_batch_max_total_tokens",
                                            "tgi_batch_concat",
                                            "tgi_batch_inference_count",
                                            "tgi_batch_inference_success",
                                            "tgi_batch_inference_failure",
                                            "tgi_batch_inference_duration",
                                            "tgi_batch_forward_duration"};
const std::vector<std::string> kLlamaCppNames = {"llamacpp:prompt_tokens_total",
                                                 "llamacpp:prompt_seconds_total",
                                                 "llamacpp:prompt_tokens_seconds",
                                                 "llamacpp:tokens_predicted_total",
                                                 "llamacpp:tokens_predicted_seconds_total",
                                                 "llamacpp:predicted_tokens_seconds",
                                                 "llamacpp:requests_processing",
                                                 "llamacpp:requests_deferred",
                                                 "llamacpp:n_tokens_max",
                                                 "llamacpp:n_decode_total",
                                                 "llamacpp:n_busy_slots_per_decode",
                                                 "llamacpp:kv_cache_usage_ratio",
                                                 "llamacpp:kv_cache_tokens"};

// Two finished sequences, one refusal, one step, 40 KV blocks.
void observe_some(Metrics& metrics) {
  metrics.describe({"1", "tiny", "llama", "F32", "class", "host", {{"f32", 1000}}});
  for (int i = 0; i < 2; ++i) {
    metrics.request_received();
    metrics.request_accepted(30);
    metrics.first_token(250ms);
    metrics.next_token(20ms);
    metrics.tokens(11);
    RequestEnd end;
    end.duration = 500ms;
    end.stages[Stage::kQueue] = 40ms;
    end.stages[Stage::kPrefill] = 200ms;
    end.stages[Stage::kDecode] = 100ms;
    end.usage = {30, 11, 16};
    end.max_tokens = 64;
    metrics.request_ended(end);
  }
  metrics.error_sent(ErrorCode::kQueueFull, Protocol::kHttp);
  metrics.request_choices.observe(1);
  metrics.batch_closes.count(BatchClose::kFull);
  metrics.batch_size.observe(2);
  metrics.step_tokens.observe(60);
  metrics.step_duration.observe(30ms);
  metrics.kv_blocks.set(KvState::kFree, 20);
  metrics.kv_blocks.set(KvState::kCached, 10);
  metrics.kv_blocks.set(KvState::kReferenced, 10);
}

const MetricFamily* find(const MetricAliases& aliases, const std::string& name) {
  for (const MetricFamily* family : aliases.families()) {
    if (name == family->name()) return family;
  }
  return nullptr;
}

MetricSample only(const MetricAliases& aliases, const std::string& name) {
  INFO(name);
  const MetricFamily* family = find(aliases, name);
  REQUIRE(family != nullptr);
  REQUIRE(family->samples().size() == 1);
  return family->samples().front();
}

// ---- the document
std::string row(const MetricFamily& family, bool is_alias) {
  std::string labels;
  for (const std::string& label : family.label_names()) labels += (labels.empty() ? "" : ", ") + label;
  std::string help = is_alias ? "`" + std::string(family.help()) + "`" : family.help();
  return std::string("| `") + family.name() + "` | " + name_of(family.type()) + " | " + labels + " | " + help + " |\n";
}

std::string document() {
  Metrics metrics;
  MetricAliases aliases(metrics, kAll);
  std::string text = "## All families\n\n| name | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricFamily* family : metrics.families()) text += row(*family, false);
  text += "\n## The same under other names\n\n| name | type | labels | made of |\n|---|---|---|---|\n";
  for (const MetricFamily* alias : aliases.families()) text += row(*alias, true);
  return text;
}

}  // namespace

TEST_CASE("R023: docs/metrics.md ends with the tables of all families and aliases") {
  std::ifstream file(test::source_dir() + "/docs/metrics.md");
  REQUIRE(file.is_open());
  std::string text((std::istreambuf_iterator<char>(file)), {});
  std::size_t begin = text.find("## All families\n");
  REQUIRE(begin != std::string::npos);
  INFO("print it anew: runtime_policy_test \"[print]\"");
  CHECK(text.substr(begin) == document());
}

TEST_CASE("the tables of docs/metrics.md, printed", "[.][print]") { std::cout << document(); }

TEST_CASE("D11: every name the dashboards of vLLM, TGI and llama.cpp ask for has a series with a finite value") {
  Metrics metrics;
  observe_some(metrics);
  MetricAliases aliases(metrics, kAll);
  std::set<std::string> asked;
  for (const auto* names : {&kVllmNames, &kTgiNames, &kLlamaCppNames}) asked.insert(names->begin(), names->end());
  for (const std::string& name : asked) {
    INFO(name);
    const MetricFamily* family = find(aliases, name);
    REQUIRE(family != nullptr);
    REQUIRE_FALSE(family->samples().empty());
    for (const MetricSample& sample : family->samples()) {
      CHECK(std::isfinite(sample.value));
      if (family->type() == MetricType::kHistogram) CHECK(sample.cumulative.size() == family->bounds().size() + 1);
    }
  }
  CHECK(aliases.families().size() == asked.size());  // and nothing nobody asks for
}

TEST_CASE("D11: an alias shows the same observations in the units of its owner") {
  Metrics metrics;
  observe_some(metrics);
  MetricAliases aliases(metrics, kAll);
  using Labels = std::vector<std::pair<std::string, std::string>>;
  CHECK(only(aliases, "vllm:prompt_tokens_total").value == 60);
  CHECK(only(aliases, "vllm:prompt_tokens_total").labels == Labels{{"model_name", "tiny"}, {"engine", "0"}});
  CHECK(only(aliases, "vllm:kv_cache_usage_perc").value == Approx(0.25));  // 10 of 40; cached ones can be had
  CHECK(only(aliases, "vllm:request_inference_time_seconds").sum == Approx(2 * 0.3));
  CHECK(only(aliases, "vllm:request_time_per_output_token_seconds").sum == Approx(2 * 0.01));  // 100 ms for 10 more
  CHECK(only(aliases, "vllm:request_prefill_kv_computed_tokens").sum == 2 * 14);
  CHECK(only(aliases, "vllm:admission_rejections_total").labels.front() ==
        std::pair<std::string, std::string>("reason", "queue_full"));
  CHECK(only(aliases, "tgi_request_success").value == 2);
  CHECK(only(aliases, "tgi_request_failure").labels == Labels{{"err", "overloaded"}});
  CHECK(only(aliases, "tgi_request_queue_duration").sum == Approx(2 * 0.04));
  CHECK(only(aliases, "tgi_batch_max_total_tokens").value == 640);
  CHECK(only(aliases, "llamacpp:prompt_seconds_total").value == Approx(0.4));
  CHECK(only(aliases, "llamacpp:prompt_tokens_seconds").value == Approx(150));
  CHECK(only(aliases, "llamacpp:predicted_tokens_seconds").value == Approx(110));
  CHECK(only(aliases, "llamacpp:n_tokens_max").value == 41);
  CHECK(only(aliases, "llamacpp:n_busy_slots_per_decode").value == 2);
}

TEST_CASE("D11: TGI's durations by method keep exact counts on the bounds they share") {
  Metrics metrics;
  metrics.step_duration.observe(30ms);
  metrics.step_duration.observe(45ms);
  MetricAliases aliases(metrics, {"tgi"});
  MetricSample decode = only(aliases, "tgi_batch_inference_duration");
  auto bounds = find(aliases, "tgi_batch_inference_duration")->bounds();
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    std::uint64_t below = (bounds[i] >= 0.03 ? 1U : 0U) + (bounds[i] >= 0.045 ? 1U : 0U);
    INFO(bounds[i]);
    CHECK(decode.cumulative[i] == below);
  }
  CHECK(decode.cumulative.back() == 2);
}

TEST_CASE("aliases are of the vocabularies that were asked for, and no name is ours") {
  Metrics metrics;
  CHECK(MetricAliases(metrics, {}).families().empty());
  MetricAliases one(metrics, {"vllm"});
  for (const MetricFamily* family : one.families()) CHECK(std::string(family->name()).rfind("vllm:", 0) == 0);
  MetricAliases all(metrics, kAll);
  for (const MetricFamily* family : all.families()) CHECK(metrics.find(family->name()) == nullptr);
  CHECK_FALSE(is_alias_vocabulary("sglang"));
}
