#pragma once
// The fields that say how a request is served, whatever it asks for, and what it becomes with them.
#include <optional>
#include <string>

#include "net/schema/api_request.hpp"
#include "net/schema/json_fields.hpp"

namespace troupe {

struct ServingFields {
  std::string cache_salt;
  std::string user;
  std::int32_t priority = 0;
  std::optional<std::uint32_t> timeout_ms;
};
ServingFields read_serving_fields(JsonFields& fields);

// A request of this origin for this model; what it asks for is still to be filled in.
Request serving_request(const ServingFields& fields, const RequestOrigin& origin, const ModelCard& card);

}  // namespace troupe
