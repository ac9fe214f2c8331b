#include "runtime/metrics.hpp"

#include <algorithm>

namespace troupe {

namespace bucket_bounds {
namespace {
// Ten a decade (the R10 preferred numbers, about 26 % apart) where answers usually lie, and vLLM's own bounds among
// them and beyond: a quantile read from these is within a few per cent for any smooth distribution.
constexpr double kFirstTokenBounds[] = {
    0.001, 0.00125, 0.0016, 0.002, 0.0025, 0.00315, 0.004, 0.005, 0.0063, 0.008, 0.01, 0.0125, 0.016,
    0.02,  0.025,   0.0315, 0.04,  0.05,   0.06,    0.08,  0.1,   0.125,  0.16,  0.2,  0.25,   0.315,
    0.4,   0.5,     0.63,   0.75,  0.8,    1,       1.25,  1.6,   2,      2.5,   3.15, 4,      5,
    6.3,   7.5,     8,      10,    12.5,   16,      20,    31.5,  40,     80,    160,  640,    2560};
constexpr double kInterTokenBounds[] = {
    0.0005, 0.00063, 0.0008, 0.001, 0.00125, 0.0016, 0.002, 0.0025, 0.003, 0.004, 0.005, 0.0063, 0.0075, 0.008,
    0.01,   0.0125,  0.016,  0.02,  0.025,   0.0315, 0.04,  0.05,   0.063, 0.075, 0.1,   0.125,  0.15,   0.2,
    0.25,   0.3,     0.4,    0.5,   0.75,    1,      2.5,   5,      7.5,   10,    20,    40,     80};
constexpr double kDurationBounds[] = {0.0001, 0.0002, 0.0005, 0.001, 0.0016, 0.0025, 0.004, 0.005, 0.0063, 0.01, 0.016,
                                      0.025,  0.04,   0.05,   0.063, 0.08,   0.1,    0.125, 0.16,  0.2,    0.25, 0.3,
                                      0.4,    0.5,    0.63,   0.8,   1,      1.25,   1.5,   2,     2.5,    3.15, 4,
                                      5,      6.3,    8,      10,    12.5,   15,     20,    25,    30,     40,   50,
                                      60,     80,     120,    240,   480,    960,    1920,  7680};
constexpr double kStepBounds[] = {0.0001, 0.0002, 0.0005, 0.001,  0.0016, 0.0025, 0.004, 0.0063, 0.01, 0.0125,
                                  0.016,  0.02,   0.025,  0.0315, 0.04,   0.05,   0.063, 0.08,   0.1,  0.125,
                                  0.16,   0.25,   0.4,    0.63,   1,      1.6,    2.5,   5,      10};
constexpr double kTokenBounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
constexpr double kLengthBounds[] = {1,    2,    5,    10,    20,    50,    100,    200,    500,
                                    1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000};
constexpr double kChoiceBounds[] = {1, 2, 5, 10, 20, 50, 100};
constexpr double kSequenceBounds[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256};
}  // namespace

const std::span<const double> kFirstToken = kFirstTokenBounds;
const std::span<const double> kInterToken = kInterTokenBounds;
const std::span<const double> kDuration = kDurationBounds;
const std::span<const double> kStep = kStepBounds;
const std::span<const double> kTokens = kTokenBounds;
const std::span<const double> kSequences = kSequenceBounds;
const std::span<const double> kLength = kLengthBounds;
const std::span<const double> kChoices = kChoiceBounds;
}  // namespace bucket_bounds

const char* name_of(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      return "histogram";
  }
  return "";
}

Metrics::Metrics(Clock clock) : clock_(std::move(clock)) {
  std::sort(table_.begin(), table_.end(), [](const MetricFamily* a, const MetricFamily* b) {
    return std::string_view(a->name()) < std::string_view(b->name());
  });
}

void Metrics::request_received() {
  requests_received.count();
  offered_rate_.add(clock_());
}

void Metrics::request_accepted(std::uint32_t prompt_token_count, TenantClass tenant) {
  requests_accepted.count();
  TenantFigures& figures = tenants_.of(tenant);
  figures.accepted.add();
  figures.tokens[static_cast<std::size_t>(TokenKind::kPrompt)].add(prompt_token_count);
  prompt_tokens.add(prompt_token_count);
}

void Metrics::first_token(std::chrono::nanoseconds since_arrival) {
  time_to_first_token.observe(since_arrival);
  first_token_sketch_.observe(std::chrono::duration<double>(since_arrival).count(), clock_());
}

void Metrics::next_token(std::chrono::nanoseconds since_previous) {
  inter_token_latency.observe(since_previous);
  inter_token_sketch_.observe(std::chrono::duration<double>(since_previous).count(), clock_());
}

void Metrics::tokens(std::uint64_t n, TenantClass tenant) {
  tokens_generated.add(n);
  tenants_.of(tenant).tokens[static_cast<std::size_t>(TokenKind::kGenerated)].add(n);
  token_rate_.add(clock_(), static_cast<std::uint32_t>(std::min<std::uint64_t>(n, UINT32_MAX)));
}

void Metrics::request_ended(const RequestEnd& end) {
  request_duration.observe(end.outcome, end.duration);
  for (std::size_t i = 0; i <= static_cast<std::size_t>(end.last_stage); ++i) {
    request_stage.observe(static_cast<Stage>(i), end.stages.stage[i]);
  }
  switch (end.outcome) {
    case Outcome::kFinished: {
      SteadyTime now = clock_();
      finishes.count(end.finish);
      served_rate_.add(now);
      duration_sketch_.observe(std::chrono::duration<double>(end.duration).count(), now);
      finished(end);
      break;
    }
    case Outcome::kCancelled:
    case Outcome::kAbandoned:
      cancellations.count(end.cancel);
      break;
    case Outcome::kFailed:
    case Outcome::kRejected:
      break;
  }
  requests.count(end.outcome);
  tenants_.of(end.tenant).ended[static_cast<std::size_t>(end.outcome)].add();
}

void Metrics::tenant_limited_by(TenantClass tenant, TenantLimit limit) {
  tenants_.of(tenant).limited[static_cast<std::size_t>(limit)].add();
}

void Metrics::tenant_load(TenantClass tenant, std::uint32_t waiting, std::uint32_t running) {
  tenants_.of(tenant).waiting.set(waiting);
  tenants_.of(tenant).running.set(running);
}

void Metrics::finished(const RequestEnd& end) {
  std::chrono::nanoseconds decode = end.stages[Stage::kDecode];
  std::chrono::nanoseconds inference = end.stages[Stage::kPrefill] + decode;
  if (inference.count() > 0) request_inference.observe(inference);  // an answer from the cache was not computed
  const Usage& usage = end.usage;
  if (usage.completion_tokens > 1 && decode.count() > 0) {
    request_token_time.observe(std::chrono::nanoseconds(decode / (usage.completion_tokens - 1)));
  }
  request_prompt_tokens.observe(usage.prompt_tokens);
  request_prefill_tokens.observe(usage.prompt_tokens - std::min(usage.cached_tokens, usage.prompt_tokens));
  request_generated_tokens.observe(usage.completion_tokens);
  if (end.max_tokens > 0) request_max_tokens.observe(end.max_tokens);
  sequence_tokens_max.raise(static_cast<double>(usage.prompt_tokens) + usage.completion_tokens);
}

void Metrics::error_sent(ErrorCode code, Protocol protocol) { errors.count(code, fault_of(code), protocol); }

void Metrics::http_answered(HttpRoute route, int status) { http_requests.count(route, http_status(status)); }

void Metrics::oldest_waiting(std::optional<SteadyTime> since) {
  oldest_waiting_ns_.store(
      since ? std::chrono::duration_cast<std::chrono::nanoseconds>(since->time_since_epoch()).count() : kNobodyWaits,
      std::memory_order_relaxed);
}

void Metrics::describe(ServerInfo info) { info_ = std::move(info); }

std::vector<MetricSample> Metrics::weights_by_format() const {
  std::vector<MetricSample> samples;
  for (const auto& [format, bytes] : info_.weights)
    samples.push_back({{{"format", format}}, static_cast<double>(bytes), {}, 0.0});
  return samples;
}

void Metrics::collect(const Visit& visit) const {
  AllBooks books = all_books();
  for (const MetricFamily* family : table_) {
    std::vector<MetricSample> samples = of_books(*family, books);
    visit(*family, samples.empty() ? family->samples() : std::move(samples));
  }
}

std::vector<MetricSample> Metrics::of_books(const MetricFamily& family, const AllBooks& books) const {
  if (&family == &requests_accepted) return one(static_cast<double>(books.all.accepted));
  if (&family == &requests_in_progress) return one(static_cast<double>(books.all.in_progress()));
  if (&family == &requests) {
    std::vector<MetricSample> samples = family.samples();  // one for each outcome, in order
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i].value = static_cast<double>(books.all.ended[i]);
    return samples;
  }
  const auto& by_tenant = books.by_tenant;
  if (&family == &tenant_accepted) {
    return tenants_.samples([&](std::size_t at) { return by_tenant[at].accepted; });
  }
  if (&family == &tenant_in_progress) {
    return tenants_.samples([&](std::size_t at) { return by_tenant[at].in_progress(); });
  }
  if (&family == &tenant_requests) {
    return tenants_.samples("outcome", Outcome{},
                            [&](std::size_t at, std::size_t i) { return by_tenant[at].ended[i]; });
  }
  return {};
}

const MetricFamily* Metrics::find(std::string_view name) const {
  for (const MetricFamily* family : table_) {
    if (family->name() == name) return family;
  }
  return nullptr;
}

// Ends are read first: a request that ends in between is then still in progress, never counted as less than none.
AllBooks Metrics::all_books() const {
  AllBooks books;
  for (std::size_t at = 0; at < kTenantClasses; ++at) {
    const TenantFigures& figures = tenants_.at(at);
    RequestBooks& account = books.by_tenant[at];
    for (std::size_t i = 0; i < kOutcomes; ++i) account.ended[i] = figures.ended[i].value();
    // The two are not ordered between threads.
    account.accepted = std::max(figures.accepted.value(), account.ended_of_accepted());
    books.all.accepted += account.accepted;
    for (std::size_t i = 0; i < kOutcomes; ++i) books.all.ended[i] += account.ended[i];
  }
  return books;
}

std::uint64_t RequestBooks::ended_of_accepted() const {
  auto of = [this](Outcome outcome) { return ended[static_cast<std::size_t>(outcome)]; };
  return of(Outcome::kFinished) + of(Outcome::kFailed) + of(Outcome::kCancelled);
}

std::uint64_t RequestBooks::in_progress() const { return accepted - ended_of_accepted(); }

double Metrics::oldest_waiting_seconds() const {
  std::int64_t since = oldest_waiting_ns_.load(std::memory_order_relaxed);
  if (since == kNobodyWaits) return 0.0;
  auto waited = clock_().time_since_epoch() - std::chrono::nanoseconds(since);
  return std::max(0.0, std::chrono::duration<double>(waited).count());
}

std::vector<MetricSample> Metrics::one(double value) { return {MetricSample{{}, value, {}, 0.0}}; }

std::vector<MetricSample> Metrics::quantiles(const QuantileSketch& sketch) const {
  static constexpr std::pair<double, const char*> kShown[] = {
      {0.5, "0.5"}, {0.9, "0.9"}, {0.95, "0.95"}, {0.99, "0.99"}};
  std::vector<MetricSample> out;
  SteadyTime now = clock_();
  for (auto [q, name] : kShown) {
    if (auto value = sketch.quantile(q, now)) out.push_back({{{"quantile", name}}, *value, {}, 0.0});
  }
  return out;
}

std::vector<MetricSample> Metrics::efficiency() const {
  double computed = step_tokens.series().sum();
  if (computed <= 0.0) return {};
  double wasted = static_cast<double>(discarded_tokens.value() + recomputed_tokens.value());
  return one(std::clamp((computed - wasted) / computed, 0.0, 1.0));
}

std::vector<MetricSample> Metrics::memory_by_use() const {
  std::vector<MetricSample> out;
  if (memory_ == nullptr) return out;
  for (std::size_t i = 0; i < kMemoryUses; ++i) {
    auto use = static_cast<MemoryUse>(i);
    out.push_back({{{"use", label_values(use)[i]}}, static_cast<double>(memory_->used(use)), {}, 0.0});
  }
  return out;
}

std::vector<MetricSample> Metrics::memory_by_step() const {
  std::vector<MetricSample> out;
  if (memory_ == nullptr) return out;
  for (std::size_t i = 0; i < kMemorySteps; ++i) {
    auto step = static_cast<MemoryStep>(i);
    out.push_back({{{"step", label_values(step)[i]}}, static_cast<double>(memory_->steps(step)), {}, 0.0});
  }
  return out;
}

std::vector<MetricSample> Metrics::memory_level_now() const {
  if (memory_ == nullptr) return {};
  return one(static_cast<double>(memory_->level()));
}

std::vector<MetricSample> Metrics::memory_figure(std::uint64_t (MemoryGovernor::*figure)() const) const {
  if (memory_ == nullptr) return {};
  return one(static_cast<double>((*memory_.*figure)()));
}

std::vector<MetricSample> Metrics::info() const {
  return {MetricSample{{{"version", info_.version},
                        {"model_name", info_.model},
                        {"architecture", info_.architecture},
                        {"quantization", info_.quantization},
                        {"numerics_class", info_.numerics_class},
                        {"device", info_.device}},
                       1.0,
                       {},
                       0.0}};
}

}  // namespace troupe
