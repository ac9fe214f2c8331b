#include "load/run_statistics.hpp"

#include <algorithm>

namespace troupe {
namespace {

std::string kind_of(const ClientEnd& end) {
  std::string kind;
  switch (end.ending) {
    case ClientEnding::kDone:
    case ClientEnding::kCancelled:
      return "";
    case ClientEnding::kRefused:
    case ClientEnding::kHttpError:
      kind = std::to_string(end.status);
      break;
    case ClientEnding::kStreamError:
      kind = "in the stream:";
      break;
    case ClientEnding::kConnect:
      kind = "cannot connect:";
      break;
    case ClientEnding::kBroken:
      kind = "connection broken:";
      break;
    case ClientEnding::kMalformed:
      kind = "malformed answer:";
      break;
    case ClientEnding::kNotSent:
      kind = "not sent:";
      break;
    case ClientEnding::kTimeout:
      kind = "timeout";
      break;
  }
  return end.error.empty() ? kind : kind + " " + end.error;
}

}  // namespace

const char* name_of(LoadPhase phase) {
  switch (phase) {
    case LoadPhase::kWarmup:
      return "warm-up";
    case LoadPhase::kSteady:
      return "steady";
    case LoadPhase::kDrain:
      return "drain";
  }
  return "";
}

RunStatistics::RunStatistics(ServiceLevel level, const std::vector<std::string>& names) : service_level(level) {
  for (const std::string& name : names) {
    tenants.emplace_back();
    tenants.back().name = name;
  }
}

void RunStatistics::enter(LoadPhase phase, double now_s) {
  phases[static_cast<std::size_t>(phase_)].seconds += now_s - entered_s_;
  if (phase == LoadPhase::kSteady) started_s_ = now_s;
  phase_ = phase;
  entered_s_ = now_s;
}

void RunStatistics::leave(double now_s) {
  phases[static_cast<std::size_t>(phase_)].seconds += now_s - entered_s_;
  entered_s_ = now_s;
  ended_s_ = std::max(ended_s_, started_s_);
}

void RunStatistics::on_intended(double intended_s, std::uint32_t tenant, bool is_measured) {
  ++timeline.at(intended_s).offered;
  if (!is_measured) return;
  ++requests;
  ++tenants[tenant].requests;
}

void RunStatistics::on_sent(double late_s, bool is_measured) {
  ++phases[static_cast<std::size_t>(phase_)].sent;
  if (is_measured) lateness.observe(late_s);
}

void RunStatistics::on_gap(double now_s, double gap_s, bool is_measured) {
  timeline.at(now_s).inter_token.observe(gap_s);
  if (is_measured) inter_token.observe(gap_s);
}

void RunStatistics::on_refusal(double now_s, double latency_s, bool is_measured) {
  ++timeline.at(now_s).refused;
  if (is_measured) refusal.observe(latency_s);
}

void RunStatistics::on_failed_attempt(const ClientEnd& end, bool is_measured) {
  if (!is_measured) return;
  std::string kind = kind_of(end);
  if (errors.size() >= kErrorKindsMax && errors.count(kind) == 0) kind = "other";
  ++errors[kind];
}

void RunStatistics::on_end(const RequestRecord& record, const ClientEnd& end) {
  TimeSlice& slice = timeline.at(record.ended_s);
  bool is_failure = end.ending != ClientEnding::kDone && end.ending != ClientEnding::kRefused &&
                    end.ending != ClientEnding::kCancelled;
  if (is_failure) ++slice.failed;
  if (is_failure || end.ending == ClientEnding::kRefused) ++phases[static_cast<std::size_t>(phase_)].failed;
  if (end.ending == ClientEnding::kDone) serve(record, end);
  if (!record.is_measured) return;
  ended_s_ = std::max(ended_s_, record.ended_s);
  TenantStatistics& tenant = tenants[record.tenant];
  if (is_failure) {
    ++failed;
    ++tenant.failed;
  }
  if (end.ending == ClientEnding::kCancelled) ++unfinished;
  if (end.ending != ClientEnding::kRefused) return;
  ++refused;
  ++tenant.refused;
}

void RunStatistics::serve(const RequestRecord& record, const ClientEnd& end) {
  const Feel& feel = record.feel;
  PhaseStatistics& phase = phases[static_cast<std::size_t>(phase_)];
  ++phase.served;
  phase.prompt_tokens += feel.prompt_tokens;
  phase.output_tokens += record.output_tokens;
  TimeSlice& slice = timeline.at(record.ended_s);
  ++slice.served;
  slice.output_tokens += record.output_tokens;
  if (feel.first_token_s) timeline.at(record.intended_s).first_token.observe(*feel.first_token_s);
  if (!record.is_measured) return;

  ++served;
  prompt_tokens += feel.prompt_tokens;
  output_tokens += record.output_tokens;
  if (!end.has_usage) ++without_usage;
  if (record.attempts == 2) ++first_retries_served;
  end_to_end.observe(record.ended_s - record.intended_s);
  TenantStatistics& tenant = tenants[record.tenant];
  ++tenant.served;
  tenant.output_tokens += record.output_tokens;
  if (feel.first_token_s) {
    first_token.observe(*feel.first_token_s);
    tenant.first_token.observe(*feel.first_token_s);
    if (record.output_tokens > 1)
      per_output_token.observe((record.last_text_s - record.intended_s - *feel.first_token_s) /
                               (record.output_tokens - 1));
  }
  if (!service_level.is_set()) return;
  if (service_level.is_kept_on_average(feel)) ++good_on_average;
  if (!service_level.is_kept(feel)) return;
  ++good;
  ++tenant.good;
  good_output_tokens += record.output_tokens;
}

}  // namespace troupe
