#pragma once
// A server without threads, sockets and weights: the real Batcher (scheduler, KV blocks, window, admission) on a
// virtual clock, an executor whose steps cost what a StepCost says, and requests that know how long their answer is.
// Contracts 1, 3 and 4 are checked after every event; the first that breaks is kept with the words of what happened.
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "load/random.hpp"
#include "runtime/batcher.hpp"

namespace troupe {

struct SimulatedRequest {
  RequestId id = 0;
  std::uint32_t prompt_tokens = 1;
  std::uint32_t output_tokens = 1;
  std::string tenant;
  std::int32_t priority = 0;
  std::optional<double> timeout_ms;
};

class SimulatedServer {
 public:
  // How long a step takes, in ms; infinite: it never comes back, until the executor is killed.
  using StepTime = std::function<double(const StepShape&, double now_ms)>;
  // What a request sees; `error` of a refusal or failure.
  struct Seen {
    enum class Kind : std::uint8_t { kAccepted, kRefused, kToken, kFinished, kFailed };
    Kind kind;
    RequestId id;
    double now_ms;
    const Error* error = nullptr;
  };
  using Watcher = std::function<void(const Seen&)>;

  SimulatedServer(BatcherOptions options, StepTime step_time, Watcher watcher);

  // ---- what happens; `now_ms` never falls
  void arrive(const SimulatedRequest& request, double now_ms);
  void cancel(RequestId id, double now_ms);
  void kill_executor(double now_ms);
  // When something happens by itself next: a step comes back, or the window ends. Infinite: nothing.
  double next_event_ms() const;
  void advance(double now_ms);  // to the time of next_event_ms()

  bool is_idle() const { return !batcher_.scheduler().has_work(); }
  Batcher& batcher() { return batcher_; }
  std::uint64_t schedule_hash() const { return hash_; }  // of every row of every step and every event, in order
  double busy_ms() const { return busy_ms_; }
  std::uint64_t steps() const { return steps_; }
  const std::optional<std::string>& broken() const { return broken_; }  // the first contract that broke
  void finish();  // nothing may be left: blocks, sequences, answers

 private:
  struct Live {
    std::uint32_t output_tokens = 0;
    std::uint32_t tokens = 0;
  };
  struct Flight {
    std::shared_ptr<const StepPlan> plan;
    double back_ms = 0;
  };

  static SteadyTime at(double ms);
  void start_steps(double now_ms);
  void deliver(double now_ms);
  StepResult result_of(const StepPlan& plan) const;
  void check(double now_ms);
  void breaks(const std::string& contract, double now_ms);
  void mix_in(std::uint64_t value);

  Batcher batcher_;
  StepTime step_time_;
  Watcher watcher_;
  std::unordered_map<RequestId, Live> live_;  // accepted and not ended
  std::deque<Flight> flights_;
  double last_back_ms_ = 0;
  double busy_ms_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t hash_ = 0xCBF29CE484222325U;  // FNV-1a
  std::uint32_t queue_bound_;
  std::optional<std::string> broken_;
};

}  // namespace troupe
