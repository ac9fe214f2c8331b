#pragma once
// A profile as JSON that trace viewers open (Chrome's trace format, also read by Perfetto): `traceEvents`, and beside
// them `table` with the phases by time.
#include <string>

#include "runtime/profile_table.hpp"

namespace troupe {

std::string profile_json(const Profile& profile, const MachineRates& machine);

// What such JSON says beside its events. kInvalidRequest when it is none.
Result<ProfileSummary> parse_profile_json(const std::string& json);

}  // namespace troupe
