#pragma once
// What all exchanges of a server share. Immutable but for its counters; outlives every connection.
#include <atomic>
#include <cstdint>
#include <ctime>
#include <functional>
#include <memory>
#include <string>

#include "net/http/api_keys.hpp"
#include "net/http/http_options.hpp"
#include "runtime/doors/clock.hpp"
#include "runtime/doors/inference_service.hpp"
#include "runtime/doors/model_catalog.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

struct HttpContext {
  HttpContext(HttpOptions opts, InferenceService& inference, const ModelCatalog& models, Metrics* counters)
      : options(std::move(opts)), service(inference), catalog(models), metrics(counters), keys(options.api_keys) {}

  const HttpOptions options;
  InferenceService& service;
  const ModelCatalog& catalog;
  Metrics* const metrics;  // nullptr: nothing is counted
  const ApiKeys keys;
  Clock clock = steady_clock();
  std::function<std::int64_t()> unix_time = [] { return static_cast<std::int64_t>(std::time(nullptr)); };
  std::string instance;  // some hex digits of this run: ids of two runs differ

  std::atomic<std::uint64_t> requests{0};  // so far; the next id
  std::atomic<bool> is_draining{false};    // answers close their connection
};

}  // namespace troupe
