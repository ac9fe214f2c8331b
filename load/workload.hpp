#pragma once
// What each request asks for. A function of (seed, index), so two runs with one seed ask the same, whatever order
// they send in, and a retry asks the same again.
#include <vector>

#include "load/length_distribution.hpp"
#include "load/prompt_builder.hpp"
#include "load/trace.hpp"
#include "runtime/doors/completion_client.hpp"

namespace troupe {

struct LoadTenant {
  std::string name;
  std::string api_key;  // empty: the tenant is told by the request field `user`
};
// "NAME" or "NAME=KEY". kConfiguration: empty, too long, characters that do not fit into a header.
Result<LoadTenant> parse_tenant(std::string_view text);

struct PlannedRequest {
  std::uint64_t index = 0;
  std::uint32_t prompt_tokens = 1;
  std::uint32_t output_tokens = 1;
  std::uint32_t tenant = 0;
};

class Workload {
 public:
  struct Options {
    std::uint64_t seed = 1;
    LengthDistribution prompt_tokens;
    LengthDistribution output_tokens;
    double prefix_share = 0.0;
    std::vector<LoadTenant> tenants;  // equal shares; none: everybody is one
  };

  // A trace's lengths and tenants, when there is one, replace the distributions'; it must outlive the workload. Tenants
  // of a trace that `tenants` names get their keys.
  explicit Workload(Options options, const Trace* trace = nullptr);

  PlannedRequest plan(std::uint64_t index) const;
  ClientRequest request(const PlannedRequest& planned, std::uint32_t slot) const;
  std::vector<std::string> tenant_names() const;

 private:
  Options options_;
  const Trace* trace_;
  PromptBuilder prompts_;
  std::vector<LoadTenant> tenants_;  // never empty
};

}  // namespace troupe
