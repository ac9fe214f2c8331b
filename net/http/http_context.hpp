#pragma once
// What all exchanges of a server share. Its counters and one pointer change; outlives every connection.
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
#include "runtime/latest.hpp"
#include "runtime/metrics.hpp"

namespace troupe {

// One state of what can be changed while the server runs.
struct HttpLive {
  explicit HttpLive(HttpTuning chosen) : tuning(std::move(chosen)), keys(tuning.api_keys, tuning.tenant_keys) {}
  const HttpTuning tuning;
  const ApiKeys keys;
};

struct HttpContext {
  HttpContext(HttpOptions opts, InferenceService& inference, const ModelCatalog& models, Metrics* counters)
      : options(std::move(opts)),
        service(inference),
        catalog(models),
        metrics(counters),
        admin_key({options.admin.key}),
        live_(std::make_shared<const HttpLive>(options)) {}

  // For whoever could not take `bytes`: only with a governor.
  Error memory_refusal(MemoryUse use, std::uint64_t bytes) const {
    return options.memory->refusal(use, bytes, service.retry_after_s());
  }

  // From any thread. Whoever answers a request asks once and keeps what it got.
  std::shared_ptr<const HttpLive> live() const { return live_.get(); }
  void retune(HttpTuning tuning) { live_.set(std::make_shared<const HttpLive>(std::move(tuning))); }

  const HttpOptions options;  // its tuning is the one the server began with
  InferenceService& service;
  const ModelCatalog& catalog;
  Metrics* const metrics;  // nullptr: nothing is counted
  const ApiKeys admin_key;
  Clock clock = steady_clock();
  std::function<std::int64_t()> unix_time = [] { return static_cast<std::int64_t>(std::time(nullptr)); };
  std::string instance;  // some hex digits of this run: ids of two runs differ

  std::atomic<std::uint64_t> requests{0};  // so far; the next id
  std::atomic<bool> is_draining{false};    // answers close their connection

 private:
  Latest<HttpLive> live_;
};

}  // namespace troupe
