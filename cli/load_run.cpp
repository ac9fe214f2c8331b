#include "cli/load_run.hpp"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>

#include "load/spec.hpp"
#include "net/client/request_bytes.hpp"

namespace troupe {
namespace {

constexpr double kSecondsMax = 30.0 * 24 * 3600;
constexpr double kDefaultDurationS = 30.0;
constexpr std::uint32_t kDefaultConcurrency = 8;
constexpr std::uint32_t kConcurrencyMax = 100'000;
constexpr std::uint64_t kOwnDescriptors = 64;  // beside connections: files, the event loop, the terminal
constexpr std::size_t kTenantsMax = 64;
constexpr std::size_t kHeadersMax = 64;

std::string shortest(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", number);
  return text;
}

Error wrong(const std::string& message) { return {ErrorCode::kConfiguration, message, "", 0}; }

// Keeps the first thing that is wrong; NaN is outside every range.
class Bounds {
 public:
  void check(const char* flag, double value, double min, double max) {
    if (value >= min && value <= max) return;
    if (!error_) error_ = wrong_flag(flag, shortest(value), shortest(min) + " to " + shortest(max));
  }
  void check(const char* flag, const std::optional<double>& value, double min, double max) {
    if (value) check(flag, *value, min, max);
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  std::optional<Error> error_;
};

std::optional<Error> check_numbers(const LoadArguments& a) {
  Bounds bounds;
  bounds.check("--timeout", a.timeout_s, 0.001, kSecondsMax);
  bounds.check("--rate", a.rate, 1e-6, RateProfile::kRateMax);
  bounds.check("--cv", a.cv, Arrivals::kCvMin, Arrivals::kCvMax);
  if (a.concurrency) bounds.check("--concurrency", static_cast<double>(*a.concurrency), 1, kConcurrencyMax);
  if (a.requests) bounds.check("--requests", static_cast<double>(*a.requests), 1, 1e12);
  bounds.check("--think-ms", a.think_ms, 0, kSecondsMax * 1000);
  bounds.check("--duration", a.duration_s, 0.001, kSecondsMax);
  bounds.check("--warmup", a.warmup_s, 0, kSecondsMax);
  bounds.check("--drain", a.drain_s, 0, kSecondsMax);
  bounds.check("--in-flight-max", a.in_flight_max, 1, kConcurrencyMax);
  bounds.check("--retry", a.retry, 0, 100);
  bounds.check("--prefix-share", a.prefix_share, 0, 1);
  bounds.check("--temperature", a.temperature, 0, 2);
  bounds.check("--slo-ttft-ms", a.slo_ttft_ms, 0, kSecondsMax * 1000);
  bounds.check("--slo-ttft-ms-per-token", a.slo_ttft_ms_per_token, 0, kSecondsMax);
  bounds.check("--slo-itl-ms", a.slo_itl_ms, 0, kSecondsMax * 1000);
  return bounds.error();
}

Status set_client(const LoadArguments& a, ClientOptions& client) {
  auto url = parse_client_url(a.url);
  if (!url) return url.error();
  if (a.endpoint != "completions" && a.endpoint != "chat")
    return wrong_flag("--endpoint", a.endpoint, "completions or chat");
  client.url = *url;
  client.is_chat = a.endpoint == "chat";
  client.is_streamed = !a.no_stream;
  client.model = a.model;
  client.api_key = a.api_key;
  for (char c : a.api_key) {
    if (c <= 0x20 || c >= 0x7F) return wrong("--api-key has characters beside printable ASCII without spaces");
  }
  if (a.headers.size() > kHeadersMax) return wrong("--header is given more than 64 times");
  for (const std::string& text : a.headers) {
    auto header = parse_header(text);
    if (!header) return header.error();
    client.headers.push_back(*header);
  }
  client.temperature = a.temperature;
  client.ignore_eos = a.ignore_eos;
  client.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(a.timeout_s * 1000)));
  return {};
}

Status set_workload(const LoadArguments& a, LoadRun& run) {
  Workload::Options options;
  options.seed = a.seed;
  options.prefix_share = a.prefix_share;
  auto prompt = LengthDistribution::parse(LengthDistribution::Of::kPrompt, a.prompt_tokens);
  if (!prompt) return prompt.error();
  auto output = LengthDistribution::parse(LengthDistribution::Of::kOutput, a.output_tokens);
  if (!output) return output.error();
  options.prompt_tokens = *prompt;
  options.output_tokens = *output;
  if (a.tenants.size() > kTenantsMax) return wrong("--tenant is given more than 64 times");
  for (const std::string& text : a.tenants) {
    auto tenant = parse_tenant(text);
    if (!tenant) return tenant.error();
    options.tenants.push_back(*tenant);
  }
  if (!a.trace.empty()) {
    std::ifstream file(a.trace, std::ios::binary);
    if (!file) return wrong("--trace: cannot read " + a.trace);
    auto trace = read_trace(file, a.trace);
    if (!trace) return trace.error();
    run.trace = std::make_unique<Trace>(std::move(*trace));
  }
  run.workload = std::make_unique<Workload>(std::move(options), run.trace.get());
  return {};
}

Status set_plan(const LoadArguments& a, std::uint64_t descriptors, LoadRun& run) {
  LoadPlan& plan = run.plan;
  int modes = (a.rate ? 1 : 0) + (a.profile.empty() ? 0 : 1) + (a.trace.empty() ? 0 : 1) + (a.concurrency ? 1 : 0);
  if (modes > 1) return wrong("--rate, --profile, --trace and --concurrency exclude each other");
  plan.warmup_s = a.warmup_s;
  plan.duration_s = a.duration_s.value_or(a.requests || run.trace ? 0.0 : kDefaultDurationS);
  plan.requests = a.requests.value_or(0);
  plan.drain_s = a.drain_s;
  plan.retries = a.retry;
  plan.think_s = a.think_ms / 1000.0;
  std::uint64_t room = descriptors > kOwnDescriptors ? descriptors - kOwnDescriptors : 1;
  plan.in_flight_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(a.in_flight_max, room));
  plan.trace = run.trace.get();
  if (run.trace) return {};
  if (a.concurrency || modes == 0) {
    plan.concurrency = a.concurrency.value_or(kDefaultConcurrency);
    if (plan.concurrency <= room) return {};
    return wrong("--concurrency is " + std::to_string(plan.concurrency) + "; this process may open " +
                 std::to_string(room) + " connections (ulimit -n)");
  }
  auto process = parse_arrivals(a.arrivals);
  if (!process) return process.error();
  auto profile = a.rate ? RateProfile::constant(*a.rate) : RateProfile::parse(a.profile, plan.duration_s);
  if (!profile) return profile.error();
  profile->delay(plan.warmup_s);
  plan.arrivals.emplace(*process, a.cv, *profile, a.seed);
  return {};
}

std::string utc_now() {
  std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[40];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
  return text;
}

// Keys and headers are secrets: they are not repeated.
RunDescription describe(const LoadArguments& a, const LoadPlan& plan) {
  RunDescription text{a.url, utc_now(), "troupe " TROUPE_VERSION, {}, ""};
  auto say = [&](const char* name, const std::string& value) { text.settings.emplace_back(name, value); };
  say("endpoint", a.endpoint + (a.no_stream ? ", whole answers" : ", streamed"));
  if (!a.model.empty()) say("model", a.model);
  if (a.rate) say("rate", shortest(*a.rate) + " requests/s");
  if (!a.profile.empty()) say("profile", a.profile);
  if (plan.arrivals) say("arrivals", a.arrivals + (a.arrivals == "gamma" ? ", cv " + shortest(a.cv) : ""));
  if (plan.trace != nullptr) say("trace", a.trace + ", " + std::to_string(plan.trace->rows.size()) + " requests");
  if (plan.concurrency > 0)
    say("concurrency", std::to_string(plan.concurrency) + " users who think " + shortest(a.think_ms) + " ms");
  if (plan.duration_s > 0) say("duration", shortest(plan.duration_s) + " s");
  if (plan.requests > 0) say("requests", std::to_string(plan.requests));
  say("warm-up", shortest(plan.warmup_s) + " s");
  say("retries", std::to_string(plan.retries));
  if (plan.trace == nullptr) say("prompt tokens", a.prompt_tokens);
  if (plan.trace == nullptr) say("output tokens", a.output_tokens + (a.ignore_eos ? ", end of text ignored" : ""));
  say("prefix share", shortest(a.prefix_share));
  if (a.temperature) say("temperature", shortest(*a.temperature));
  say("seed", std::to_string(a.seed));
  if (a.slo_ttft_ms || a.slo_ttft_ms_per_token > 0)
    say("TTFT allowed",
        shortest(a.slo_ttft_ms.value_or(0)) + " ms + " + shortest(a.slo_ttft_ms_per_token) + " ms per prompt token");
  if (a.slo_itl_ms) say("ITL allowed", shortest(*a.slo_itl_ms) + " ms");
  return text;
}

}  // namespace

Result<LoadRun> plan_load(const LoadArguments& a, std::uint64_t descriptors) {
  if (auto error = check_numbers(a)) return *error;
  LoadRun run;
  if (a.slo_ttft_ms) run.service_level.first_token_s = *a.slo_ttft_ms / 1000.0;
  run.service_level.per_prompt_token_s = a.slo_ttft_ms_per_token / 1000.0;
  if (a.slo_itl_ms) run.service_level.inter_token_s = *a.slo_itl_ms / 1000.0;
  if (run.service_level.is_set() && a.no_stream)
    return wrong("--slo-... needs streamed answers: with --no-stream nobody sees a first token");
  Status set = set_client(a, run.client);
  if (set.ok()) set = set_workload(a, run);
  if (set.ok()) set = set_plan(a, descriptors, run);
  if (!set.ok()) return set.error();
  run.description = describe(a, run.plan);
  return run;
}

}  // namespace troupe
