#include "load/workload.hpp"

#include <algorithm>
#include <utility>

#include "load/random.hpp"
#include "load/spec.hpp"

namespace troupe {
namespace {

constexpr std::size_t kTenantTextMax = 256;  // bytes
constexpr std::uint64_t kPlanStream = 2;     // of a request's streams; 1 is its prompt's

bool is_token_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

Result<LoadTenant> parse_tenant(std::string_view text) {
  std::size_t equals = text.find('=');
  LoadTenant tenant{std::string(text.substr(0, equals)),
                    equals == std::string_view::npos ? "" : std::string(text.substr(equals + 1))};
  bool has_key = equals != std::string_view::npos;
  if (text.size() > kTenantTextMax || !is_token_text(tenant.name) || (has_key && !is_token_text(tenant.api_key)))
    return wrong_flag("--tenant", text, "NAME or NAME=KEY, in printable ASCII without spaces, at most 256 bytes");
  return tenant;
}

Workload::Workload(Options options, const Trace* trace)
    : options_(std::move(options)), trace_(trace), prompts_(options_.seed, options_.prefix_share) {
  if (trace_ == nullptr) {
    tenants_ = options_.tenants;
    if (tenants_.empty()) tenants_.emplace_back();
    return;
  }
  for (const std::string& name : trace_->tenants) {
    auto known = std::find_if(options_.tenants.begin(), options_.tenants.end(),
                              [&](const LoadTenant& tenant) { return tenant.name == name; });
    tenants_.push_back(known == options_.tenants.end() ? LoadTenant{name, ""} : *known);
  }
}

PlannedRequest Workload::plan(std::uint64_t index) const {
  if (trace_ != nullptr) {
    const TraceRow& row = trace_->rows[index];
    return {index, row.prompt_tokens, row.output_tokens, row.tenant};
  }
  SeededRandom random(options_.seed, mix(index, kPlanStream));
  PlannedRequest planned;
  planned.index = index;
  planned.prompt_tokens = options_.prompt_tokens.draw(random);
  planned.output_tokens = options_.output_tokens.draw(random);
  planned.tenant = static_cast<std::uint32_t>(random.below(tenants_.size()));
  return planned;
}

ClientRequest Workload::request(const PlannedRequest& planned, std::uint32_t slot) const {
  const LoadTenant& tenant = tenants_[planned.tenant];
  ClientRequest request;
  request.slot = slot;
  request.prompt = prompts_.build(planned.index, planned.prompt_tokens);
  request.max_tokens = planned.output_tokens;
  request.api_key = tenant.api_key;
  if (tenant.api_key.empty()) request.user = tenant.name;
  return request;
}

std::vector<std::string> Workload::tenant_names() const {
  std::vector<std::string> names;
  for (const LoadTenant& tenant : tenants_) names.push_back(tenant.name);
  return names;
}

}  // namespace troupe
