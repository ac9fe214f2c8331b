#include "sim/exploration.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "load/random.hpp"
#include "sim/simulated_server.hpp"

namespace troupe {
namespace {

constexpr int kArrivals = 30;
constexpr int kReturnsMax = 20;
constexpr std::uint64_t kEventsMax = 100'000;  // a game that does not end has broken something

class Game {
 public:
  explicit Game(std::uint64_t seed)
      : random_(seed),
        server_(
            draw_options(), [this](const StepShape& shape, double) { return step_ms(shape); },
            [this](const SimulatedServer::Seen& seen) { see(seen); }) {}

  Exploration play() {
    double now_ms = 0, next_arrival_ms = 0;
    int arrivals = 0;
    while (!server_.broken() && ++result_.events < kEventsMax) {
      double event_ms = server_.next_event_ms();
      bool may_arrive = arrivals < kArrivals;
      if (!may_arrive) next_arrival_ms = std::numeric_limits<double>::infinity();
      if (!may_arrive && returns_.empty() && std::isinf(event_ms) && server_.is_idle()) break;
      // At the same moment either may come first.
      bool arrival_first = may_arrive && (next_arrival_ms < event_ms || (next_arrival_ms == event_ms && one_in(2)));
      if (one_in(9) && !open_.empty()) {
        cancel_one(now_ms);
      } else if (has_deaths_ && one_in(60)) {
        kill(now_ms);
      } else if (!returns_.empty() && returns_.begin()->first <= std::min(event_ms, next_arrival_ms)) {
        now_ms = std::max(now_ms, returns_.begin()->first);
        SimulatedRequest back = returns_.extract(returns_.begin()).mapped();
        server_.arrive(sent_ = back, now_ms);
      } else if (arrival_first) {
        now_ms = std::max(now_ms, next_arrival_ms);
        arrive(++arrivals, now_ms);
        if (!one_in(3)) next_arrival_ms = now_ms + static_cast<double>(random_.below(40));  // else: at once
      } else if (!std::isinf(event_ms)) {
        now_ms = std::max(now_ms, event_ms);
        server_.advance(now_ms);
      } else if (!server_.is_idle()) {
        kill(now_ms + 1000);  // it hangs: the supervisor's watchdog
        now_ms += 1000;
      }
    }
    server_.finish();
    if (!server_.broken() && result_.events >= kEventsMax) result_.broken = "the game does not end";
    if (server_.broken()) result_.broken = *server_.broken();
    if (!result_.broken && !open_.empty()) result_.broken = "contract 1: requests without an end";
    result_.schedule_hash = server_.schedule_hash();
    result_.preemptions = server_.batcher().scheduler().counts().preemptions_total;
    return result_;
  }

 private:
  bool one_in(std::uint32_t n) { return random_.below(n) == 0; }
  std::uint32_t upto(std::uint32_t n) { return static_cast<std::uint32_t>(random_.below(n)); }

  BatcherOptions draw_options() {
    BatcherOptions options;
    options.limits.sequences_max = 1 + upto(8);
    options.limits.step_tokens_max = 4 + upto(one_in(2) ? 16 : 200);
    options.limits.queue_max = 1 + upto(20);
    options.limits.queue_tokens_max = 50 + upto(2000);
    options.limits.context_length = 64 + upto(400);
    options.limits.steps_in_flight = 1 + upto(2);
    options.kv_blocks = 3 + upto(one_in(3) ? 100 : 20);
    options.prefix_cache = one_in(2);
    if (!one_in(3)) options.slo = {50.0 + upto(500), upto(20) / 10.0, 5.0 + upto(60)};
    if (one_in(4)) options.window.mode = BatchWindowOptions::Mode::kFixed;
    options.window.window_max_ms = one_in(2) ? upto(20) : 0;
    has_deaths_ = one_in(2);
    hangs_ = one_in(4);
    return options;
  }

  double step_ms(const StepShape& shape) {
    if (hangs_ && one_in(80)) return std::numeric_limits<double>::infinity();
    double ms = std::floor(1 + 0.2 * shape.prefill + 0.3 * shape.seqs);  // whole: so that things meet
    return one_in(20) ? 4 * ms : ms;
  }

  void arrive(int number, double now_ms) {
    SimulatedRequest request;
    request.id = static_cast<RequestId>(number);
    request.prompt_tokens = 1 + upto(one_in(4) ? 300 : 60);
    request.output_tokens = 1 + upto(30);
    request.tenant.assign(upto(3), 't');
    request.priority = one_in(5) ? 1 : 0;
    if (one_in(6)) request.timeout_ms = 10.0 + upto(400);
    sent_ = request;
    server_.arrive(request, now_ms);
  }

  // Half of the refused come back, in time or not.
  void note_refused(const Error& error, double now_ms) {
    ++result_.refused;
    if (error.code != ErrorCode::kQueueFull || one_in(2) || returned_ >= kReturnsMax) return;
    ++returned_;
    returns_.emplace(now_ms + 1000.0 * error.retry_after_s * (one_in(3) ? 0.5 : 1) + upto(3000), sent_);
  }

  void cancel_one(double now_ms) {
    auto it = open_.begin();
    std::advance(it, upto(static_cast<std::uint32_t>(open_.size())));
    RequestId id = *it;
    open_.erase(it);
    ++result_.cancelled;
    server_.cancel(id, now_ms);
  }

  void kill(double now_ms) {
    ++result_.deaths;
    server_.kill_executor(now_ms);
  }

  void see(const SimulatedServer::Seen& seen) {
    using Kind = SimulatedServer::Seen::Kind;
    switch (seen.kind) {
      case Kind::kAccepted:
        ++result_.accepted;
        open_.insert(seen.id);
        break;
      case Kind::kRefused:
        note_refused(*seen.error, seen.now_ms);
        break;
      case Kind::kToken:
        break;
      case Kind::kFinished:
        ++result_.finished;
        open_.erase(seen.id);
        break;
      case Kind::kFailed:
        ++result_.failed;
        open_.erase(seen.id);
        break;
    }
  }

  SeededRandom random_;
  bool has_deaths_ = false, hangs_ = false;
  std::set<RequestId> open_;
  SimulatedRequest sent_;                            // the last
  std::multimap<double, SimulatedRequest> returns_;  // by when
  int returned_ = 0;
  Exploration result_;
  SimulatedServer server_;
};

}  // namespace

Exploration explore(std::uint64_t seed) { return Game(seed).play(); }

}  // namespace troupe
