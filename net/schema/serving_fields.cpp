#include "net/schema/serving_fields.hpp"

#include <algorithm>
#include <limits>

namespace troupe {
namespace {

constexpr std::int64_t kInt32Max = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kInt32Min = std::numeric_limits<std::int32_t>::min();

}  // namespace

ServingFields read_serving_fields(JsonFields& fields) {
  ServingFields serving;
  serving.cache_salt = fields.text("cache_salt", kNameBytesMax);
  serving.priority = static_cast<std::int32_t>(fields.integer("priority", kInt32Min, kInt32Max, 0));
  serving.user = fields.text("user", kNameBytesMax);
  if (auto timeout = fields.integer("timeout_ms", 1, kTimeoutMsMax, 0); timeout > 0) {
    serving.timeout_ms = static_cast<std::uint32_t>(timeout);
  }
  return serving;
}

Request serving_request(const ServingFields& fields, const RequestOrigin& origin, const ModelCard& card) {
  Request request;
  request.external_id = origin.external_id;
  request.model = card.name;
  request.cache = origin.cache;
  request.tenant = origin.tenant;
  request.cache_salt = fields.cache_salt;
  request.user = fields.user;
  request.priority = fields.priority;
  request.route = origin.route;
  request.arrived = origin.arrived;
  std::optional<std::uint32_t> timeout_ms = fields.timeout_ms;
  if (origin.timeout_ms) timeout_ms = std::min(timeout_ms.value_or(kTimeoutMsMax), *origin.timeout_ms);
  if (timeout_ms) request.deadline = origin.arrived + std::chrono::milliseconds(*timeout_ms);
  return request;
}

}  // namespace troupe
