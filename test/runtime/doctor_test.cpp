// R003: each bottleneck, induced in two synthetic scrapes, is named with its evidence and the knob to turn.
#include "runtime/doctor.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "runtime/metrics.hpp"

using namespace troupe;

namespace {

using Figures = std::map<std::string, double>;

// A server in the middle of its life; every bottleneck is a change of some of these.
const Figures kBefore = {{"llm_requests_received_total", 1000},
                         {"llm_requests_in_progress", 8},
                         {"llm_requests_total{outcome=\"rejected\"}", 10},
                         {"llm_errors_total{code=\"queue_full\",fault=\"server\",protocol=\"http\"}", 10},
                         {"llm_step_seconds_count", 5000},
                         {"llm_step_seconds_sum", 100},
                         {"llm_batch_size_count", 5000},
                         {"llm_batch_size_sum", 20000},
                         {"llm_step_tokens_sum", 60000},
                         {"llm_tokens_generated_total", 20000},
                         {"llm_running_sequences", 8},
                         {"llm_queue_requests", 0},
                         {"llm_kv_blocks{state=\"free\"}", 500},
                         {"llm_kv_blocks{state=\"cached\"}", 100},
                         {"llm_kv_blocks{state=\"referenced\"}", 400},
                         {"llm_preemptions_total", 3},
                         {"llm_cancellations_total{reason=\"write_stall\"}", 1},
                         {"llm_http_connections_refused_total", 0},
                         {"llm_request_stage_seconds_sum{stage=\"receive\"}", 1},
                         {"llm_request_stage_seconds_sum{stage=\"prefill\"}", 50},
                         {"llm_request_stage_seconds_sum{stage=\"decode\"}", 200}};

Scrape scrape_of(const Figures& figures) {
  std::string text = "# HELP something else\n";
  for (const auto& [name, value] : figures) text += name + " " + std::to_string(value) + "\n";
  auto scrape = Scrape::parse(text);
  REQUIRE(scrape.ok());
  return *std::move(scrape);
}

// Ten busy seconds: 200 steps of 8 sequences, 10 of 10 s computed.
Figures after_ten_seconds() {
  Figures after = kBefore;
  after["llm_requests_received_total"] += 20;
  after["llm_step_seconds_count"] += 200;
  after["llm_step_seconds_sum"] += 9.5;
  after["llm_batch_size_count"] += 200;
  after["llm_batch_size_sum"] += 1600;
  after["llm_step_tokens_sum"] += 2000;
  after["llm_tokens_generated_total"] += 1600;
  after["llm_request_stage_seconds_sum{stage=\"prefill\"}"] += 5;
  after["llm_request_stage_seconds_sum{stage=\"decode\"}"] += 70;
  return after;
}

Diagnosis diagnosis_of(const Figures& before, const Figures& after) {
  auto diagnosis = diagnose(scrape_of(before), scrape_of(after), 10.0);
  REQUIRE(diagnosis.ok());
  CHECK_FALSE(diagnosis->evidence.empty());
  CHECK_FALSE(diagnosis->advice.empty());
  return *diagnosis;
}

}  // namespace

TEST_CASE("R003: a server that decodes is bound by decode, with the figures it was seen by") {
  Diagnosis diagnosis = diagnosis_of(kBefore, after_ten_seconds());
  CHECK(diagnosis.bottleneck == Bottleneck::kDecode);
  std::string report = report_of(diagnosis);
  CHECK(report.find("bottleneck: decode") == 0);
  CHECK(report.find("2.0 requests/s offered, 160.0 tokens/s generated, 40 prompt positions/s") != std::string::npos);
  CHECK(report.find("95 % of the time, 8.0 sequences in a step") != std::string::npos);
}

TEST_CASE("R003: prompts that take most of the time are named, also while none of their requests has ended") {
  Figures after = after_ten_seconds();
  after["llm_request_stage_seconds_sum{stage=\"prefill\"}"] += 100;
  CHECK(diagnosis_of(kBefore, after).bottleneck == Bottleneck::kPrefill);

  Figures nobody_ended = kBefore;
  nobody_ended["llm_step_seconds_count"] += 100;
  nobody_ended["llm_step_seconds_sum"] += 9;
  nobody_ended["llm_step_tokens_sum"] += 25000;
  nobody_ended["llm_tokens_generated_total"] += 100;
  CHECK(diagnosis_of(kBefore, nobody_ended).bottleneck == Bottleneck::kPrefill);
}

TEST_CASE("R003: sequences that wait while KV blocks can be had are a queue for rows") {
  Figures before = kBefore, after = after_ten_seconds();
  before["llm_queue_requests"] = 12;
  after["llm_queue_requests"] = 15;
  Diagnosis diagnosis = diagnosis_of(before, after);
  CHECK(diagnosis.bottleneck == Bottleneck::kQueue);
  CHECK(report_of(diagnosis).find("batching.sequences_max") != std::string::npos);
  Figures prompts = after;
  prompts["llm_request_stage_seconds_sum{stage=\"prefill\"}"] += 100;
  CHECK(diagnosis_of(before, prompts).bottleneck == Bottleneck::kPrefill);  // they wait for prompts, not for rows
  before["llm_queue_requests"] = 0;  // a queue that has just begun is no bottleneck
  CHECK(diagnosis_of(before, after).bottleneck == Bottleneck::kDecode);
}

TEST_CASE("R003: preemptions, or a queue without KV blocks, are KV capacity") {
  Figures after = after_ten_seconds();
  after["llm_preemptions_total"] += 1;
  Diagnosis diagnosis = diagnosis_of(kBefore, after);
  CHECK(diagnosis.bottleneck == Bottleneck::kKvCapacity);
  CHECK(report_of(diagnosis).find("kv.memory") != std::string::npos);

  Figures before = kBefore, scarce = after_ten_seconds();
  before["llm_queue_requests"] = scarce["llm_queue_requests"] = 4;
  scarce["llm_kv_blocks{state=\"free\"}"] = 20;
  scarce["llm_kv_blocks{state=\"cached\"}"] = 0;
  scarce["llm_kv_blocks{state=\"referenced\"}"] = 980;
  CHECK(diagnosis_of(before, scarce).bottleneck == Bottleneck::kKvCapacity);
}

TEST_CASE("R003: clients that are refused because the queue is full are named before the queue") {
  Figures before = kBefore, after = after_ten_seconds();
  before["llm_queue_requests"] = after["llm_queue_requests"] = 256;
  after["llm_errors_total{code=\"queue_full\",fault=\"server\",protocol=\"http\"}"] += 100;
  Diagnosis diagnosis = diagnosis_of(before, after);
  CHECK(diagnosis.bottleneck == Bottleneck::kRefusing);
  CHECK(report_of(diagnosis).find("10.0 refusals/s") != std::string::npos);
}

TEST_CASE("D17: the doctor says when memory was tight, and what to turn when that refused clients") {
  Figures before = kBefore, after = after_ten_seconds();
  before["llm_memory_degraded_total{step=\"refusal\"}"] = 3;
  after["llm_memory_degraded_total{step=\"refusal\"}"] = 3;
  CHECK(report_of(diagnosis_of(before, after)).find("memory is tight") == std::string::npos);
  after["llm_memory_degraded_total{step=\"refusal\"}"] = 10;
  after["llm_memory_bytes{use=\"answers\"}"] = 40 << 20;
  after["llm_memory_limit_bytes"] = 64 << 20;
  after["llm_errors_total{code=\"queue_full\",fault=\"server\",protocol=\"http\"}"] += 7;
  std::string report = report_of(diagnosis_of(before, after));
  CHECK(report.find("40 of 64 MiB of memory.limit are taken; it was given way for 7 times") != std::string::npos);
  CHECK(report.find("raise memory.limit") != std::string::npos);
}

TEST_CASE("R003: slow readers, slow senders and refused connections are the network") {
  Figures slow_readers = after_ten_seconds();
  slow_readers["llm_step_seconds_sum"] = kBefore.at("llm_step_seconds_sum") + 2;
  slow_readers["llm_cancellations_total{reason=\"write_stall\"}"] += 5;
  CHECK(diagnosis_of(kBefore, slow_readers).bottleneck == Bottleneck::kNetwork);
  Figures slow_senders = after_ten_seconds();
  slow_senders["llm_request_stage_seconds_sum{stage=\"receive\"}"] += 200;
  CHECK(diagnosis_of(kBefore, slow_senders).bottleneck == Bottleneck::kNetwork);
  Figures crowded = after_ten_seconds();
  crowded["llm_http_connections_refused_total"] += 1;
  CHECK(diagnosis_of(kBefore, crowded).bottleneck == Bottleneck::kNetwork);
}

TEST_CASE("R003: nothing to do is idle, work without steps is stalled") {
  Figures idle = kBefore;
  idle["llm_requests_in_progress"] = idle["llm_running_sequences"] = 0;
  CHECK(diagnosis_of(kBefore, idle).bottleneck == Bottleneck::kIdle);
  Diagnosis stalled = diagnosis_of(kBefore, kBefore);
  CHECK(stalled.bottleneck == Bottleneck::kStalled);
  CHECK(report_of(stalled).find("/ready") != std::string::npos);
}

TEST_CASE("R003: what is not this server's metrics, or no time apart, is refused") {
  Scrape other = scrape_of({{"up", 1}});
  Scrape ours = scrape_of(kBefore);
  CHECK_FALSE(diagnose(other, other, 5).ok());
  CHECK_FALSE(diagnose(ours, ours, 0).ok());
  CHECK_FALSE(diagnose(ours, ours, std::nan("")).ok());
}

TEST_CASE("R003: every figure the doctor asks for is one the server has") {
  Metrics metrics;
  for (const auto& [series, value] : kBefore) {
    std::string name = series.substr(0, series.find('{'));
    for (const char* suffix : {"_count", "_sum"}) {
      if (name.ends_with(suffix)) name.resize(name.size() - std::string(suffix).size());
    }
    INFO(series);
    CHECK(metrics.find(name) != nullptr);
  }
}

TEST_CASE("scrape: names, labels, escapes, timestamps and special numbers") {
  auto scrape = Scrape::parse(
      "# TYPE a counter\n"
      "a{x=\"1\",y=\"q\\\"\\\\\\n\"} 3 1700000000\r\n"
      "a{x=\"2\", y=\"b\",} 4\n"
      "\n"
      "b:c +Inf\n"
      "d 1e-3\n");
  REQUIRE(scrape.ok());
  CHECK(scrape->sum("a") == 7);
  CHECK(scrape->sum("a", {{"x", "2"}}) == 4);
  CHECK(scrape->sum("a", {{"y", "q\"\\\n"}}) == 3);
  CHECK(scrape->sum("a", {{"x", "2"}, {"y", "z"}}) == 0);
  CHECK(std::isinf(scrape->sum("b:c")));
  CHECK(scrape->sum("d") == Approx(0.001));
  CHECK_FALSE(scrape->has("e"));
}

TEST_CASE("scrape: quantiles are of what was observed between two looks") {
  auto look = [](int to_10, int to_20, int all) {
    return *Scrape::parse("h_bucket{le=\"0.01\"} " + std::to_string(to_10) + "\nh_bucket{le=\"0.02\"} " +
                          std::to_string(to_20) + "\nh_bucket{le=\"+Inf\"} " + std::to_string(all) + "\n");
  };
  Scrape before = look(100, 100, 100);
  CHECK(*look(190, 199, 200).quantile_since(before, "h", 0.5) == Approx(0.01));
  CHECK(*look(190, 199, 200).quantile_since(before, "h", 0.95) == Approx(0.02));
  CHECK_FALSE(look(190, 199, 200).quantile_since(before, "h", 0.999));  // beyond the last bound
  CHECK_FALSE(before.quantile_since(before, "h", 0.5));
  CHECK_FALSE(before.quantile_since(before, "none", 0.5));
}

TEST_CASE("scrape: what cannot be read refuses the whole and quotes the line") {
  for (const char* wrong :
       {"<html>", "a", "a{", "a{x", "a{x=", "a{x=\"1", "a{x=\"1\"", "a{x=\"1\"} ", "a b", "1a 2", "a{x=1} 2", "a 1x"}) {
    INFO(wrong);
    auto scrape = Scrape::parse(std::string("ok 1\n") + wrong + "\n");
    REQUIRE_FALSE(scrape.ok());
    CHECK(scrape.error().message.find(std::string(wrong).substr(0, 5)) != std::string::npos);
  }
  CHECK_FALSE(Scrape::parse(std::string(Scrape::kBytesMax + 1, '\n')).ok());
  std::string many;
  for (std::size_t i = 0; i <= Scrape::kLabelsMax; ++i) many += "l" + std::to_string(i) + "=\"\",";
  CHECK_FALSE(Scrape::parse("a{" + many + "} 1\n").ok());
}
