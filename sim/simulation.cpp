#include "sim/simulation.hpp"

#include <cmath>
#include <limits>
#include <queue>
#include <unordered_map>

#include "load/random.hpp"
#include "runtime/check.hpp"
#include "sim/simulated_server.hpp"

namespace troupe {
namespace {

constexpr double kStallFactor = 4;

ServiceLevel level_of(const Slo& slo) {
  ServiceLevel level;
  level.first_token_s = slo.first_token_base_ms() / 1000;
  level.per_prompt_token_s = slo.ttft_ms_per_token / 1000;
  level.inter_token_s = slo.gap_ms() / 1000;
  return level;
}

// Follows each request from its arrival to its end.
class Audience {
 public:
  Audience(const Trace& trace, const Slo& slo, std::uint32_t retries)
      : trace_(trace), slo_(slo), level_(level_of(slo)), retries_(retries) {}

  // Who comes back, and when.
  struct Return {
    double at_ms = 0;
    RequestId id = 0;
    bool operator>(const Return& other) const { return at_ms != other.at_ms ? at_ms > other.at_ms : id > other.id; }
  };
  double next_return_ms() const {
    return returns_.empty() ? std::numeric_limits<double>::infinity() : returns_.top().at_ms;
  }
  RequestId take_return() {
    Return back = returns_.top();
    returns_.pop();
    Attempts& attempts = attempts_[back.id];
    attempts.last_s = back.at_ms / 1000;
    if (++attempts.retries == 1) ++result_.first_retries;
    return back.id;
  }

  void see(const SimulatedServer::Seen& seen) {
    using Kind = SimulatedServer::Seen::Kind;
    switch (seen.kind) {
      case Kind::kAccepted:
        accepted(seen.id);
        break;
      case Kind::kRefused:
        refused(seen);
        break;
      case Kind::kFailed:
        ++result_.failed;
        open_.erase(seen.id);
        break;
      case Kind::kToken:
        token(seen);
        break;
      case Kind::kFinished:
        finished(seen.id);
        break;
    }
  }

  SimulationResult take() {
    result_.allowance_p99 = ratio_.quantile(0.99).value_or(0);
    return std::move(result_);
  }

 private:
  struct Open {
    double began_s = 0;
    Feel feel;
    double last_s = 0;
  };
  struct Attempts {
    std::uint32_t retries = 0;
    double last_s = 0;
  };
  const TraceRow& row(RequestId id) const { return trace_.rows[id - 1]; }

  void accepted(RequestId id) {
    auto found = attempts_.find(id);
    bool is_first_retry = found != attempts_.end() && found->second.retries == 1;
    if (is_first_retry) ++result_.first_retries_served;
    open_[id].began_s = found == attempts_.end() ? row(id).arrival_s : found->second.last_s;
    attempts_.erase(id);
  }

  void refused(const SimulatedServer::Seen& seen) {
    ++result_.refused;
    Attempts& attempts = attempts_[seen.id];
    if (attempts.retries < retries_) {
      returns_.push({seen.now_ms + 1000.0 * seen.error->retry_after_s, seen.id});
    } else {
      attempts_.erase(seen.id);
    }
  }

  void token(const SimulatedServer::Seen& seen) {
    const TraceRow& request = row(seen.id);
    double now_s = seen.now_ms / 1000;
    SimulatedTenant& tenant = result_.tenants[trace_.tenants[request.tenant]];
    tenant.service_tokens += 1;
    Open& open = open_[seen.id];
    if (!open.feel.first_token_s) {
      double first_s = now_s - open.began_s;
      open.feel.first_token_s = first_s;
      open.feel.prompt_tokens = request.prompt_tokens;
      result_.first_token.observe(first_s);
      tenant.first_token.observe(first_s);
      tenant.service_tokens += request.prompt_tokens;
      ratio_.observe(first_s * 1000 / slo_.first_token_ms(request.prompt_tokens));
    } else {
      double gap_s = now_s - open.last_s;
      result_.gap.observe(gap_s);
      ++open.feel.gaps;
      open.feel.gaps_s += gap_s;
      if (level_.is_late(gap_s)) ++open.feel.late_gaps;
    }
    open.last_s = now_s;
  }

  void finished(RequestId id) {
    ++result_.finished;
    const Feel& feel = open_[id].feel;
    if (level_.is_kept(feel)) {
      ++result_.good;
      result_.good_tokens += row(id).prompt_tokens + row(id).output_tokens;
    }
    if (level_.is_kept_on_average(feel)) ++result_.good_soft;
    open_.erase(id);
  }

  const Trace& trace_;
  Slo slo_;
  ServiceLevel level_;
  SimulationResult result_;
  LatencySketch ratio_;
  std::uint32_t retries_;
  std::unordered_map<RequestId, Open> open_;
  std::unordered_map<RequestId, Attempts> attempts_;  // of those that were refused and may come back
  std::priority_queue<Return, std::vector<Return>, std::greater<>> returns_;
};

}  // namespace

double SimulationResult::jain() const {
  double sum = 0, squares = 0;
  for (const auto& [name, tenant] : tenants) {
    sum += tenant.service_tokens;
    squares += tenant.service_tokens * tenant.service_tokens;
  }
  return squares > 0 ? sum * sum / (static_cast<double>(tenants.size()) * squares) : 1;
}

BatcherOptions batcher_options(const StepCost& cost) {
  BatcherOptions options;
  options.limits.sequences_max = cost.sequences_max;
  options.limits.step_tokens_max = cost.step_tokens_max;
  options.limits.queue_max = 100'000;  // what is refused is refused for the targets
  options.limits.queue_tokens_max = std::numeric_limits<std::uint32_t>::max();
  options.limits.context_length = 1U << 20;
  options.kv_blocks = cost.kv_tokens / kBlockSize;
  options.prefix_cache = false;
  options.slo = cost.slo;
  options.window.window_max_ms = 10;
  return options;
}

SimulationResult simulate(const Trace& trace, const SimulationOptions& options) {
  SeededRandom random(options.seed, 1);
  Audience audience(trace, options.slo, options.retries);
  double span_ms = trace.rows.back().arrival_s * 1000;
  auto step_ms = [&](const StepShape& shape, double now_ms) {
    double ms = options.cost->ms(shape);
    const Scenario* machine = options.machine;
    if (machine == nullptr) return ms;
    ms *= machine->slowness(now_ms / std::max(span_ms, 1.0)) * std::exp(machine->noise * random.normal());
    return machine->stalls > 0 && random.uniform() < machine->stalls ? kStallFactor * ms : ms;
  };
  SimulatedServer server(options.batcher, step_ms, [&](const SimulatedServer::Seen& seen) { audience.see(seen); });

  double now_ms = 0, trims = 0, trim_min = 1;
  std::uint64_t events = 0;
  std::size_t next = 0;
  for (;;) {
    double arrival_ms =
        next < trace.rows.size() ? trace.rows[next].arrival_s * 1000 : std::numeric_limits<double>::infinity();
    double event_ms = server.next_event_ms();
    double return_ms = audience.next_return_ms();
    double first_ms = std::min({arrival_ms, return_ms, event_ms});
    if (std::isinf(first_ms)) break;
    now_ms = std::max(now_ms, first_ms);
    if (first_ms < event_ms || first_ms == arrival_ms) {
      RequestId id = first_ms == arrival_ms ? ++next : audience.take_return();
      const TraceRow& row = trace.rows[id - 1];
      server.arrive({id, row.prompt_tokens, row.output_tokens, trace.tenants[row.tenant], 0, {}}, now_ms);
    } else {
      server.advance(now_ms);
    }
    double trim = server.batcher().window().trim();
    trims += trim, ++events;
    trim_min = std::min(trim_min, trim);
  }
  server.finish();
  TROUPE_CHECK(!server.broken(), server.broken()->c_str());

  SimulationResult result = audience.take();
  result.offered = trace.rows.size();
  for (const TraceRow& row : trace.rows) result.offered_tokens += row.prompt_tokens + row.output_tokens;
  result.span_s = span_ms / 1000;
  result.busy_share = now_ms > 0 ? server.busy_ms() / now_ms : 0;
  result.trim_min = trim_min;
  result.trim_mean = events > 0 ? trims / static_cast<double>(events) : 1;
  result.steps = server.steps();
  result.schedule_hash = server.schedule_hash();
  return result;
}

}  // namespace troupe
