#pragma once
// What is known of a request once it has ended, and the account of all of them.
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>

#include "runtime/metric_labels.hpp"
#include "runtime/tenant_figures.hpp"

namespace troupe {

struct RequestEnd {
  TenantClass tenant = TenantClass::kAnonymous;
  Outcome outcome = Outcome::kFinished;
  FinishReason finish = FinishReason::kStop;        // kFinished
  CancelReason cancel = CancelReason::kClientGone;  // kCancelled, kAbandoned
  ErrorCode error = ErrorCode::kInternal;           // kFailed, kRejected
  std::chrono::nanoseconds duration{};              // arrival -> end written to the response stream
  StageTimes stages;
  Stage last_stage = Stage::kDeliver;  // where it ended; stages after it are not observed
  Usage usage;
  std::uint32_t max_tokens = 0;  // that the request allowed; 0: it ended before that was known
  std::uint32_t retries = 0;
  std::optional<std::chrono::nanoseconds> first_token;  // since the arrival
};

// An account of sequences, read so that it always adds up: ends before accepts.
struct RequestBooks {
  std::uint64_t accepted = 0;
  std::array<std::uint64_t, kOutcomes> ended{};  // by Outcome

  std::uint64_t ended_of_accepted() const;  // finished + failed + cancelled
  std::uint64_t in_progress() const;
};

// By tenant class, and all of them together: of one reading, so that both add up.
struct AllBooks {
  std::array<RequestBooks, kTenantClasses> by_tenant;
  RequestBooks all;
};

}  // namespace troupe
