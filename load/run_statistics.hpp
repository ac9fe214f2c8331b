#pragma once
// Everything a run remembers, in constant memory: counters, sketches, a bounded timeline. Times are seconds from the
// start of the run. Requests intended during the warm-up are sent and counted in its phase, and in nothing else.
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "load/latency_sketch.hpp"
#include "load/service_level.hpp"
#include "load/timeline.hpp"
#include "runtime/doors/completion_client.hpp"

namespace troupe {

enum class LoadPhase : std::uint8_t { kWarmup, kSteady, kDrain };
inline constexpr std::size_t kLoadPhases = 3;
const char* name_of(LoadPhase phase);

// What happened while a phase lasted, whenever the requests were intended.
struct PhaseStatistics {
  double seconds = 0.0;
  std::uint64_t sent = 0;
  std::uint64_t served = 0;
  std::uint64_t failed = 0;  // refused in the end, too
  std::uint64_t prompt_tokens = 0;
  std::uint64_t output_tokens = 0;
};

struct TenantStatistics {
  std::string name;
  std::uint64_t requests = 0, served = 0, refused = 0, failed = 0, good = 0;
  std::uint64_t output_tokens = 0;
  LatencySketch first_token;
};

// A request when it has ended for good.
struct RequestRecord {
  double intended_s = 0.0;
  double ended_s = 0.0;
  double last_text_s = 0.0;
  Feel feel;
  std::uint32_t output_tokens = 0;
  std::uint32_t attempts = 1;
  std::uint32_t tenant = 0;
  bool is_measured = true;  // intended after the warm-up
};

class RunStatistics {
 public:
  static constexpr std::size_t kErrorKindsMax = 64;  // further ones are counted as "other"

  RunStatistics(ServiceLevel service_level, const std::vector<std::string>& tenants);

  void enter(LoadPhase phase, double now_s);  // in order; phases may be left out
  void leave(double now_s);                   // the run is over

  void on_intended(double intended_s, std::uint32_t tenant, bool is_measured);
  void on_sent(double late_s, bool is_measured);  // `late_s`: the generator's own lateness
  void on_gap(double now_s, double gap_s, bool is_measured);
  // A refusal that will be retried, or one that is final (then on_end follows).
  void on_refusal(double now_s, double latency_s, bool is_measured);
  void on_first_retry(bool is_measured) { first_retries += is_measured ? 1 : 0; }
  void on_failed_attempt(const ClientEnd& end, bool is_measured);
  void on_end(const RequestRecord& record, const ClientEnd& end);

  // The measured requests. requests = served + refused + failed + unfinished, once the run is over.
  std::uint64_t requests = 0, served = 0, refused = 0, failed = 0, unfinished = 0;
  std::uint64_t prompt_tokens = 0, output_tokens = 0;
  std::uint64_t good = 0, good_on_average = 0, good_output_tokens = 0;
  std::uint64_t first_retries = 0, first_retries_served = 0;
  std::uint64_t without_usage = 0;  // answers; their tokens are counted by events
  LatencySketch end_to_end, first_token, inter_token, per_output_token, refusal, lateness;
  std::map<std::string, std::uint64_t> errors;  // attempts that failed: "429 queue_full", "timeout"
  std::vector<TenantStatistics> tenants;
  std::array<PhaseStatistics, kLoadPhases> phases;
  Timeline timeline;  // the whole run, the warm-up too

  const ServiceLevel service_level;
  LoadPhase phase() const { return phase_; }
  double started_s() const { return started_s_; }              // of the measured part
  double measured_s() const { return ended_s_ - started_s_; }  // to its last end

 private:
  void serve(const RequestRecord& record, const ClientEnd& end);

  LoadPhase phase_ = LoadPhase::kWarmup;
  double entered_s_ = 0.0;
  double started_s_ = 0.0;
  double ended_s_ = 0.0;
};

}  // namespace troupe
