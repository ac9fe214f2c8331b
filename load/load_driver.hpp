#pragma once
// Who sends when. Open loop: at the times of an arrival process or a trace, whatever the server does. Closed loop: so
// many users, each of whom asks, reads, thinks and asks again. Plain code over a client and the times it is told, so
// that a test plays hours in milliseconds.
//
// Latency counts from the time a request was intended to be sent, not from when it was: a server (or a generator) that
// stalls is charged for everybody who would have asked meanwhile (no coordinated omission, R196).
#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "load/arrivals.hpp"
#include "load/run_statistics.hpp"
#include "load/workload.hpp"

namespace troupe {

struct LoadPlan {
  // One of the three says when.
  std::optional<Arrivals> arrivals;
  const Trace* trace = nullptr;   // outlives the driver
  std::uint32_t concurrency = 0;  // users of a closed loop

  double think_s = 0.0;                  // of a user, from the end of an answer to the next request
  double warmup_s = 0.0;                 // the users of a closed loop start evenly within it
  double duration_s = 0.0;               // of the steady phase; 0: until `requests` were sent
  std::uint64_t requests = 0;            // at most, after the warm-up; 0: no limit
  double drain_s = 60.0;                 // then what still runs is cancelled
  std::uint32_t retries = 0;             // of a refused request, each after the server's Retry-After
  std::uint32_t in_flight_max = 16'384;  // beyond it an open loop's request fails here
};

class LoadDriver : public ClientListener {
 public:
  static constexpr double kFailurePauseS = 0.1;  // before a user whose request failed asks again
  static constexpr double kRetryPauseS = 1.0;    // when a refusal has no Retry-After
  static constexpr double kRetryAfterMaxS = 3600.0;
  static constexpr std::uint32_t kSendsPerTick = 64;  // then answers are read
  static constexpr std::uint32_t kGoneFailures = 20;  // connections in a row that failed, over at least
  static constexpr double kGoneS = 5.0;               // so long: the server went away

  LoadDriver(LoadPlan plan, const Workload& workload, CompletionClient& client, RunStatistics& statistics,
             SteadyTime start);

  // Sends what is due and returns when to call again; nothing: the run is over. Earlier calls do no harm.
  std::optional<SteadyTime> tick(SteadyTime now);
  void stop(SteadyTime now);  // sends nothing more and cancels what runs

  void on_text(std::uint32_t slot, SteadyTime now) override;
  void on_end(std::uint32_t slot, SteadyTime now, const ClientEnd& end) override;

  bool is_server_gone() const { return is_gone_; }
  std::uint32_t in_flight() const { return live_; }  // those that wait for a retry too

 private:
  struct Flight {
    PlannedRequest planned;
    double intended_s = 0.0;
    double attempt_s = 0.0;  // when this attempt was sent
    double last_text_s = 0.0;
    Feel feel;
    std::uint32_t attempts = 0;
    bool is_live = false;
    bool is_waiting = false;  // for its retry
    bool is_measured = false;
  };
  struct Due {
    double at_s;
    std::uint32_t slot;
    bool operator>(const Due& other) const { return at_s > other.at_s; }
  };

  double seconds(SteadyTime time) const { return std::chrono::duration<double>(time - start_).count(); }
  bool is_open() const { return plan_.concurrency == 0; }
  double steady_end_s() const;
  void advance_phase(double now_s);
  void send_due(double now_s);
  void next_arrival();
  std::optional<std::uint32_t> free_slot();
  void begin(std::uint32_t slot, double intended_s, double now_s);
  void attempt(std::uint32_t slot, double now_s);
  bool may_send_more(double intended_s) const;
  void finish(std::uint32_t slot, double now_s, const ClientEnd& end);
  void watch_connection(double now_s, const ClientEnd& end);
  void end_sending(double now_s);
  void cancel_all(double now_s);

  LoadPlan plan_;
  const Workload& workload_;
  CompletionClient& client_;
  RunStatistics& statistics_;
  const SteadyTime start_;

  std::vector<Flight> flights_;      // by slot
  std::vector<std::uint32_t> free_;  // slots of an open loop; the last one used is taken first
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;  // users' next requests, and retries
  double arrival_s_ = 0.0;                                          // the next one of an open loop; infinite: none
  std::uint64_t index_ = 0;                                         // of the next request
  std::uint64_t measured_ = 0;
  std::uint32_t live_ = 0;
  bool is_sending_ = true;
  bool is_cancelling_ = false;
  bool is_gone_ = false;
  double drain_began_s_ = 0.0;
  std::uint32_t failures_in_a_row_ = 0;
  double first_failure_s_ = 0.0;
};

}  // namespace troupe
