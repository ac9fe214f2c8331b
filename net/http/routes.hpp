#pragma once
// Every path this server answers.
#include <string>
#include <string_view>

#include "runtime/metric_labels.hpp"

namespace troupe {

struct Route {
  const char* path;
  HttpRoute label;
  const char* methods;  // as Allow lists them
  bool is_open;         // answered without an API key

  bool allows(std::string_view method) const;
};

struct RouteMatch {
  const Route* route = nullptr;  // nullptr: no such path
  std::string model;             // of /v1/models/{model}, percent-decoded
};

// Exact look-up: no normalisation, no decoding but of the model's name.
RouteMatch find_route(std::string_view path);

}  // namespace troupe
