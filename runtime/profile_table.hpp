#pragma once
// A profile's phases by name, the longest first, beside what the machine could do at best.
#include <string>
#include <vector>

#include "runtime/profiler.hpp"

namespace troupe {

struct MachineRates {
  double operations = 0;        // int8 a second; 0: not measured
  double float_operations = 0;  // f32 a second; 0: not measured
  double bytes = 0;             // read a second; 0: not measured
};

struct ProfileRow {
  std::string track, name;
  std::uint64_t calls = 0;
  double seconds = 0;
  double share = 0;  // of the time of its track
  double bytes = 0, operations = 0;
  double float_operations = 0;  // of `operations`
  double of_roofline = 0;       // the least time it needs by the machine's rates, of what it took; 0: it has neither

  double bytes_per_s() const { return seconds > 0 ? bytes / seconds : 0; }
  double operations_per_s() const { return seconds > 0 ? operations / seconds : 0; }
};

std::vector<ProfileRow> profile_table(const Profile& profile, const MachineRates& machine);

// What there is to say of a profile beside its spans.
struct ProfileSummary {
  std::uint32_t steps = 0;
  double wall_seconds = 0;
  std::uint64_t spans_dropped = 0;
  MachineRates machine;
  std::vector<ProfileRow> table;
};
ProfileSummary summary_of(const Profile& profile, const MachineRates& machine);

// For a person: a line for each of the first `rows_max` rows of each track.
std::string profile_text(const ProfileSummary& summary, std::size_t rows_max = 20);

}  // namespace troupe
