#pragma once
// Serves the metrics as Prometheus text at http://address:port/metrics, on threads of its own: a scrape is answered
// however busy the rest of the server is. No authentication: bind it to loopback or to a network you trust.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/metrics.hpp"
#include "runtime/result.hpp"

namespace troupe {

struct MetricsEndpointOptions {
  std::string address = "127.0.0.1";  // IPv4, IPv6 without brackets, or "localhost"
  std::uint16_t port = 9090;          // 0: one that is free
  std::uint32_t threads = 2;          // scrapes answered at a time; 1..16
  // Labels on every series, e.g. {"pod", "troupe-0"}; those of a family win.
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::string> aliases;  // vocabularies of other servers to answer in too: runtime/metric_aliases.hpp
};

class MetricsEndpoint {
 public:
  // kConfiguration when the address is no address or the port is taken. `metrics` outlives the endpoint.
  static Result<std::unique_ptr<MetricsEndpoint>> start(const Metrics& metrics, const MetricsEndpointOptions& options);
  ~MetricsEndpoint();  // waits for scrapes that are being answered
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  std::uint16_t port() const;  // the real one

 private:
  struct State;
  explicit MetricsEndpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace troupe
