#include "runtime/profile_table.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

namespace troupe {

std::vector<ProfileRow> profile_table(const Profile& profile, const MachineRates& machine) {
  std::map<std::pair<std::string, std::string>, ProfileRow> rows;
  std::map<std::string, double> track_seconds;
  for (const ProfileSpan& span : profile.spans) {
    double seconds = std::chrono::duration<double>(span.end - span.begin).count();
    ProfileRow& row = rows[{span.track, span.name}];
    row.track = span.track, row.name = span.name;
    ++row.calls;
    row.seconds += seconds;
    row.bytes += static_cast<double>(span.bytes);
    row.operations += static_cast<double>(span.operations);
    if (span.is_float) row.float_operations += static_cast<double>(span.operations);
    track_seconds[row.track] += seconds;
  }
  std::vector<ProfileRow> table;
  for (auto& [key, row] : rows) {
    if (track_seconds[row.track] > 0) row.share = row.seconds / track_seconds[row.track];
    auto seconds_at = [](double amount, double rate) { return rate > 0 ? amount / rate : 0; };
    double least = std::max(seconds_at(row.bytes, machine.bytes),
                            seconds_at(row.operations - row.float_operations, machine.operations) +
                                seconds_at(row.float_operations, machine.float_operations));
    if (row.seconds > 0) row.of_roofline = least / row.seconds;
    table.push_back(std::move(row));
  }
  std::stable_sort(table.begin(), table.end(),
                   [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
  return table;
}

ProfileSummary summary_of(const Profile& profile, const MachineRates& machine) {
  return {profile.steps, std::chrono::duration<double>(profile.end - profile.begin).count(), profile.spans_dropped,
          machine, profile_table(profile, machine)};
}

std::string profile_text(const ProfileSummary& summary, std::size_t rows_max) {
  char line[256];
  const MachineRates& machine = summary.machine;
  std::snprintf(line, sizeof line,
                "%u steps in %.1f ms; int8 %.0f GOP/s, f32 %.0f GFLOP/s, reading %.1f GB/s at best\n", summary.steps,
                summary.wall_seconds * 1e3, machine.operations * 1e-9, machine.float_operations * 1e-9,
                machine.bytes * 1e-9);
  std::string text = line;
  std::snprintf(line, sizeof line, "%-9s %-16s %8s %10s %9s %7s %8s %8s %9s\n", "", "", "calls", "total ms", "mean us",
                "share", "GB/s", "GOP/s", "roofline");
  text += line;
  std::map<std::string, std::size_t> shown;
  for (const ProfileRow& row : summary.table) {
    if (++shown[row.track] > rows_max) continue;
    std::snprintf(line, sizeof line, "%-9.9s %-16.16s %8llu %10.2f %9.1f %6.1f%%", row.track.c_str(), row.name.c_str(),
                  static_cast<unsigned long long>(row.calls), row.seconds * 1e3,
                  row.seconds * 1e6 / static_cast<double>(row.calls), 100 * row.share);
    text += line;
    if (row.bytes > 0 || row.operations > 0) {
      std::snprintf(line, sizeof line, " %8.1f %8.0f %8.0f%%", row.bytes_per_s() * 1e-9, row.operations_per_s() * 1e-9,
                    100 * row.of_roofline);
      text += line;
    }
    text += "\n";
  }
  if (summary.spans_dropped > 0) text += std::to_string(summary.spans_dropped) + " spans did not fit and are missing\n";
  return text;
}

}  // namespace troupe
