#include "net/schema/profile_json.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>

#include "net/schema/json_parse.hpp"
#include "net/schema/json_writer.hpp"

namespace troupe {
namespace {

// Microseconds since the profile began: what the format counts in.
double micros(const Profile& profile, std::chrono::steady_clock::time_point at) {
  return std::chrono::duration<double, std::micro>(at - profile.begin).count();
}

void write_event(JsonWriter& json, const Profile& profile, const ProfileSpan& span, int track) {
  json.begin_object().field("name", span.name).field("cat", span.track).field("ph", "X").field("pid", 1);
  json.field("tid", track).field("ts", micros(profile, span.begin));
  json.field("dur", micros(profile, span.end) - micros(profile, span.begin));
  json.key("args").begin_object();
  if (span.layer >= 0) json.field("layer", span.layer);
  if (span.tokens > 0) json.field("tokens", span.tokens);
  if (span.rows > 0) json.field("rows", span.rows);
  if (span.columns > 0) json.field("columns", span.columns);
  if (span.bytes > 0) json.field("bytes", span.bytes);
  if (span.operations > 0) json.field("operations", span.operations);
  json.end_object().end_object();
}

}  // namespace

std::string profile_json(const Profile& profile, const MachineRates& machine) {
  std::map<std::string, int> tracks;
  for (const ProfileSpan& span : profile.spans) tracks.emplace(span.track, static_cast<int>(tracks.size()) + 1);
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("steps", profile.steps).field("spans_dropped", profile.spans_dropped);
  json.field("wall_us", micros(profile, profile.end));
  json.key("machine").begin_object().field("int8_operations_per_s", machine.operations);
  json.field("f32_operations_per_s", machine.float_operations);
  json.field("read_bytes_per_s", machine.bytes).end_object();
  json.key("table").begin_array();
  for (const ProfileRow& row : profile_table(profile, machine)) {
    json.begin_object().field("track", row.track).field("name", row.name).field("calls", row.calls);
    json.field("seconds", row.seconds).field("share", row.share).field("bytes_per_s", row.bytes_per_s());
    json.field("operations_per_s", row.operations_per_s()).field("of_roofline", row.of_roofline).end_object();
  }
  json.end_array().key("traceEvents").begin_array();
  for (const auto& [name, id] : tracks) {
    json.begin_object().field("name", "thread_name").field("ph", "M").field("pid", 1).field("tid", id);
    json.key("args").begin_object().field("name", name).end_object().end_object();
  }
  for (const ProfileSpan& span : profile.spans) write_event(json, profile, span, tracks[span.track]);
  json.end_array().end_object();
  return out;
}

namespace {

double number_of(const boost::json::object& object, const char* name) {
  const boost::json::value* value = object.if_contains(name);
  return value == nullptr || !value->is_number() ? 0.0 : value->to_number<double>();
}

std::string text_of(const boost::json::object& object, const char* name) {
  const boost::json::value* value = object.if_contains(name);
  return value == nullptr || !value->is_string() ? "" : std::string(value->get_string());
}

}  // namespace

Result<ProfileSummary> parse_profile_json(const std::string& json) {
  auto value = parse_json_object(json);
  if (!value) return value.error();
  const boost::json::object& whole = value->get_object();
  const boost::json::value* machine = whole.if_contains("machine");
  const boost::json::value* table = whole.if_contains("table");
  if (machine == nullptr || !machine->is_object() || table == nullptr || !table->is_array())
    return Error{ErrorCode::kInvalidRequest, "this is no profile: it has no machine and no table", "", 0};
  ProfileSummary summary;
  summary.steps = static_cast<std::uint32_t>(std::clamp(number_of(whole, "steps"), 0.0, 1e9));
  summary.wall_seconds = number_of(whole, "wall_us") * 1e-6;
  summary.spans_dropped = static_cast<std::uint64_t>(std::clamp(number_of(whole, "spans_dropped"), 0.0, 1e15));
  summary.machine.operations = number_of(machine->get_object(), "int8_operations_per_s");
  summary.machine.float_operations = number_of(machine->get_object(), "f32_operations_per_s");
  summary.machine.bytes = number_of(machine->get_object(), "read_bytes_per_s");
  for (const boost::json::value& entry : table->get_array()) {
    if (!entry.is_object()) continue;
    const boost::json::object& object = entry.get_object();
    ProfileRow row;
    row.track = text_of(object, "track");
    row.name = text_of(object, "name");
    row.calls = static_cast<std::uint64_t>(std::clamp(number_of(object, "calls"), 1.0, 1e15));
    row.seconds = number_of(object, "seconds");
    row.share = number_of(object, "share");
    row.bytes = number_of(object, "bytes_per_s") * row.seconds;
    row.operations = number_of(object, "operations_per_s") * row.seconds;
    row.of_roofline = number_of(object, "of_roofline");
    summary.table.push_back(std::move(row));
  }
  return summary;
}

}  // namespace troupe
