#include "net/schema/admin_request.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <initializer_list>
#include <limits>

#include "net/schema/json_fields.hpp"
#include "net/schema/json_parse.hpp"
#include "net/schema/utf8.hpp"
#include "runtime/doors/access_log.hpp"
#include "runtime/profiler.hpp"

namespace troupe {
namespace {

constexpr std::size_t kTenantMax = 64;  // of SHA-256 in hex
constexpr std::size_t kNameShownMax = 64;

Error refusal(std::string message, std::string param = {}) {
  return {ErrorCode::kInvalidRequest, std::move(message), std::move(param), 0};
}

// The object of a body that has these fields at most. An empty body is an empty object.
Result<boost::json::object> object_of(std::string_view body, std::initializer_list<std::string_view> known) {
  if (body.empty()) return boost::json::object();
  Result<boost::json::value> value = parse_json_object(body);
  if (!value) return value.error();
  for (const auto& field : value->get_object()) {
    std::string_view name(field.key().data(), field.key().size());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string all;
    for (std::string_view one : known) all += (all.empty() ? "" : ", ") + std::string(one);
    std::string shown(cut_utf8(name, kNameShownMax));
    return refusal("unknown field \"" + shown + "\"; known here: " + (all.empty() ? "none" : all), shown);
  }
  return value->get_object();
}

}  // namespace

Status parse_no_fields(std::string_view body) {
  Result<boost::json::object> object = object_of(body, {});
  return object ? Status() : Status(object.error());
}

Result<std::int32_t> parse_shed(std::string_view body) {
  Result<boost::json::object> object = object_of(body, {"below_priority"});
  if (!object) return object.error();
  std::optional<Error> error;
  JsonFields fields(*object, error);
  if (fields.find("below_priority") == nullptr) fields.refuse("below_priority", " is required");
  using Limits = std::numeric_limits<std::int32_t>;
  auto below = static_cast<std::int32_t>(fields.integer("below_priority", Limits::min(), Limits::max(), 0));
  if (error) return *error;
  return below;
}

Result<std::string> parse_cancel_tenant(std::string_view body) {
  Result<boost::json::object> object = object_of(body, {"tenant"});
  if (!object) return object.error();
  std::optional<Error> error;
  JsonFields fields(*object, error);
  std::string tenant = fields.text("tenant", kTenantMax);
  if (error) return *error;
  if (tenant == tenant_label("") || is_tenant_name(tenant) || is_digest_digits(tenant)) return tenant;
  return refusal("tenant must be the name of a [[tenant]] or at least " + std::to_string(kTenantDigitsMin) +
                     " digits of the key's SHA-256 in lower-case hex, as the access log and /admin/v1/state show it, "
                     "or \"anonymous\"",
                 "tenant");
}

Result<std::optional<std::uint32_t>> parse_clamp(std::string_view body) {
  Result<boost::json::object> object = object_of(body, {"max_tokens"});
  if (!object) return object.error();
  const boost::json::value* value = object->if_contains("max_tokens");
  if (value == nullptr) return refusal("max_tokens is required: a number, or null to remove the clamp", "max_tokens");
  if (value->is_null()) return std::optional<std::uint32_t>();
  std::optional<Error> error;
  JsonFields fields(*object, error);
  auto max = fields.integer("max_tokens", 1, std::numeric_limits<std::uint32_t>::max(), 1);
  if (error) return *error;
  return std::optional<std::uint32_t>(static_cast<std::uint32_t>(max));
}

Result<CacheChange> parse_cache(std::string_view body) {
  Result<boost::json::object> object = object_of(body, {"result_cache", "prefix_cache"});
  if (!object) return object.error();
  std::optional<Error> error;
  JsonFields fields(*object, error);
  CacheChange change;
  if (fields.find("result_cache") != nullptr) change.result_cache = fields.boolean("result_cache", true);
  if (fields.find("prefix_cache") != nullptr) change.prefix_cache = fields.boolean("prefix_cache", true);
  if (!change.result_cache && !change.prefix_cache) fields.refuse("result_cache", " or prefix_cache is required");
  if (error) return *error;
  return change;
}

Result<bool> parse_reload(std::string_view body) {
  Result<boost::json::object> object = object_of(body, {"dry_run"});
  if (!object) return object.error();
  std::optional<Error> error;
  JsonFields fields(*object, error);
  bool dry_run = fields.boolean("dry_run", false);
  if (error) return *error;
  return dry_run;
}

Result<std::uint32_t> parse_profile(std::string_view body) {
  constexpr std::uint32_t kStepsDefault = 20;
  Result<boost::json::object> object = object_of(body, {"steps"});
  if (!object) return object.error();
  std::optional<Error> error;
  JsonFields fields(*object, error);
  auto steps = fields.integer("steps", 1, Profiler::kStepsMax, kStepsDefault);
  if (error) return *error;
  return static_cast<std::uint32_t>(steps);
}

}  // namespace troupe
