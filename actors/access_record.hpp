#pragma once
// The line of the access log for a sequence that has ended.
#include "runtime/doors/access_log.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

inline const char* reason_of(const RequestEnd& end) {
  switch (end.outcome) {
    case Outcome::kFinished:
      return name_of(end.finish);
    case Outcome::kCancelled:
    case Outcome::kAbandoned:
      return name_of(end.cancel);
    case Outcome::kFailed:
    case Outcome::kRejected:
      return name_of(end.error);
  }
  return "";
}

inline AccessRecord access_record(const Request& request, const RequestEnd& end) {
  AccessRecord record;
  record.at = std::chrono::system_clock::now();
  record.request_id = request.external_id;
  record.route = request.route;
  record.tenant = tenant_label(request.tenant);
  record.choice = request.choice;
  record.outcome = label_values(end.outcome)[static_cast<std::size_t>(end.outcome)];
  record.reason = reason_of(end);
  record.usage = end.usage;
  record.retries = end.retries;
  record.first_token = end.first_token;
  record.total = end.duration;
  record.stages = end.stages;
  return record;
}

}  // namespace troupe
